// The queue of uncertain answers: read one, say what is so, go on; take the last one back.

import { get, key, post, Refused } from "./api.js";
import { h, replace, say } from "./dom.js";
import { day, moment, plain, reach, share, version } from "./format.js";
import { meter, span } from "./meter.js";
import { rowAsRead } from "./row.js";
import { handOver } from "./try.js";

const PAGE = 20;
const ENOUGH = 5;
export const REVIEWER = "ml_assets.reviewer";

export async function showReview(root, { problem, signal, go }) {
  const review = new Review(problem, signal, go);
  await review.begin();
  if (signal.aborted) return;
  replace(root, review.layout());
  document.addEventListener("keydown", (event) => review.pressed(event), { signal });
}

class Review {
  constructor(problem, signal, go) {
    this.problem = problem;
    this.signal = signal;
    this.go = go;
    this.waiting = [];
    this.past = [];
    this.skipped = new Set();
    this.left = 0;
    this.done = 0;
    this.after = null;
    this.isBusy = false;
    this.counts = h("p", { class: "counts", id: "counts" });
    this.about = h("p", { class: "soft" });
    this.card = h("div", {});
    this.name = h("input", { type: "text", maxlength: 100, autocomplete: "name", value: localStorage.getItem(REVIEWER) ?? "", oninput: () => localStorage.setItem(REVIEWER, this.name.value.trim()) });
    this.trouble = h("div", {});
  }

  /** Laid out once the first page of the queue is there: by then it is known whether keys are needed. */
  layout() {
    return h(
      "div",
      {},
      h("header", { class: "head split" }, h("div", {}, h("h1", {}, "Review"), this.about), h("div", { class: "progress" }, this.counts, !key.get() && h("label", { class: "inline" }, "Your name ", this.name))),
      this.trouble,
      this.card,
    );
  }

  async begin() {
    await this.load();
    this.showCurrent();
  }

  async load() {
    const after = this.after ? `&after=${encodeURIComponent(this.after)}` : "";
    const page = await get(`${this.problem}/review?limit=${PAGE}${after}`, this.signal);
    const known = new Set([...this.waiting.map((each) => each.id), ...this.skipped]);
    this.waiting.push(...page.waiting.filter((each) => !known.has(each.id)));
    this.after = page.after;
    this.left = page.left;
    this.done = page.done_today;
    this.page = page;
    if (page.kind === "binary") this.about.textContent = `Answers within ${page.uncertain_within} of the threshold ${page.threshold}, at most ${page.oldest_days} days old, the closest first.`;
    else this.about.textContent = `Answers with an interval, at most ${page.oldest_days} days old; the widest for their size first.`;
    this.count();
  }

  count() {
    replace(this.counts, h("span", {}, h("strong", { id: "left" }, this.left.toLocaleString("en")), " left"), h("span", {}, h("strong", { id: "done" }, this.done.toLocaleString("en")), " done today"));
  }

  get current() {
    return this.waiting[0];
  }

  showCurrent() {
    const { current } = this;
    if (!current) {
      replace(this.card, this.nothing());
      return;
    }
    replace(
      this.card,
      h(
        "div",
        { class: "review" },
        h("article", { class: "card", "aria-label": "The row", id: "row" }, rowAsRead(current.row)),
        h(
          "aside",
          { class: "card side", "aria-label": "Your label" },
          h("p", { class: "eyebrow" }, this.isBinary ? "Is it so?" : "What became true?"),
          h("p", { class: "question" }, this.page.positive),
          !this.isBinary && this.value(),
          h(
            "div",
            { class: "choices" },
            this.isBinary && this.button("Yes", "Y", "yes", () => this.label(1)),
            this.isBinary && this.button("No", "N", "no", () => this.label(0)),
            this.button("Skip", "S", "", () => this.skip()),
            this.button("Undo", "U", "", () => this.undo(), this.past.length === 0),
          ),
          h("div", { class: "model" }, h("p", { class: "eyebrow" }, "The model said"), this.said(current)),
          h("dl", { class: "facts" }, h("dt", {}, "asked"), h("dd", {}, moment(current.at)), h("dt", {}, "version"), h("dd", {}, version(current.version)), h("dt", {}, "id"), h("dd", {}, version(current.id))),
          h("button", { type: "button", class: "quiet", onclick: () => this.openInTry() }, "Open in Try"),
        ),
      ),
    );
  }

  get isBinary() {
    return this.page.kind === "binary";
  }

  said(current) {
    const answer = h("strong", {}, plain(current.prediction));
    if (this.isBinary) return [h("p", {}, answer, ` ${current.decision ? "yes" : "no"}`), meter(current.prediction, this.page.threshold)];
    const width = share((current.upper - current.lower) / Math.abs(current.prediction));
    return [h("p", {}, answer, `, ${reach(current)}`), span({ ...current, interval: current }), h("p", { class: "hint" }, `As wide as ${width} of the value.`)];
  }

  /** Where a reviewer writes the value. */
  value() {
    const input = h("input", { type: "text", inputmode: "decimal", id: "value", "aria-label": "The value", autocomplete: "off" });
    const save = (event) => {
      event.preventDefault();
      const value = Number(input.value.replaceAll(",", ""));
      if (input.value.trim() !== "" && Number.isFinite(value)) this.label(value);
      else replace(this.trouble, h("div", { class: "alert bad", role: "alert" }, h("p", {}, `Write a number such as 1234.5, not ${JSON.stringify(input.value)}.`)));
    };
    return h("form", { class: "inline", novalidate: true, onsubmit: save }, input, h("button", { class: "primary" }, "Save"));
  }

  nothing() {
    const text = `No uncertain answer of the last ${this.page.oldest_days} days waits for a label.`;
    const again = this.skipped.size > 0 && h("button", { type: "button", onclick: () => this.again() }, `Look at the ${this.skipped.size} skipped again`);
    const undo = this.past.length > 0 && h("button", { type: "button", onclick: () => this.undo() }, "Undo the last");
    return h("div", { class: "card empty" }, h("h2", {}, this.skipped.size > 0 ? "Only skipped ones are left" : "Nothing to review"), h("p", { class: "soft" }, text), h("div", { class: "buttons" }, again, undo));
  }

  button(text, letter, kind, act, disabled = false) {
    return h("button", { type: "button", class: `label ${kind}`, onclick: act, disabled, "aria-keyshortcuts": letter.toLowerCase() }, text, h("kbd", { "aria-hidden": "true" }, letter));
  }

  pressed(event) {
    const typing = event.target.closest("input, textarea, select, dialog");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const labels = this.isBinary ? { y: () => this.label(1), n: () => this.label(0) } : {};
    const act = { ...labels, s: () => this.skip(), u: () => this.undo() }[event.key.toLowerCase()];
    if (act) act();
  }

  label(value) {
    const { current } = this;
    if (!current) return;
    const id = `review-${drawn()}`;
    this.busy(async () => {
      await this.send({ prediction_id: current.id, label: value, event_id: id });
      this.past.push({ item: current, event: id });
      this.left -= 1;
      this.done += 1;
      this.next(`Labelled ${this.isBinary ? (value ? "yes" : "no") : plain(value)}.`);
    });
  }

  skip() {
    const { current } = this;
    if (!current) return;
    this.busy(async () => {
      this.skipped.add(current.id);
      this.past.push({ item: current });
      this.next("Skipped.");
    });
  }

  undo() {
    const last = this.past.at(-1);
    if (!last) return;
    this.busy(async () => {
      if (last.event) {
        await this.send({ prediction_id: last.item.id, retraction: last.event, event_id: `undo-${last.event}` });
        this.left += 1;
        this.done -= 1;
      }
      this.past.pop();
      this.skipped.delete(last.item.id);
      this.waiting.unshift(last.item);
      this.count();
      this.showCurrent();
      say("Taken back.");
    });
  }

  again() {
    this.skipped.clear();
    this.past = this.past.filter((each) => each.event);
    this.after = null;
    this.busy(async () => {
      await this.load();
      this.showCurrent();
    });
  }

  async next(said) {
    this.waiting.shift();
    this.count();
    if (this.waiting.length < ENOUGH && this.after) await this.load();
    this.showCurrent();
    say(`${said} ${this.left} left.`);
  }

  send(event) {
    const reviewer = this.name.value.trim();
    return post(`${this.problem}/review`, reviewer && !key.get() ? { ...event, reviewer } : event, this.signal);
  }

  /** Do one thing at a time, and say so when it did not work. */
  async busy(act) {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      await act();
      replace(this.trouble);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      replace(this.trouble, h("div", { class: "alert bad", role: "alert" }, h("p", {}, error.message)));
    } finally {
      this.isBusy = false;
    }
  }

  openInTry() {
    handOver(this.problem, this.current.row);
    this.go(this.problem, "try");
  }
}

/** 128 random bits, also where a page without TLS has no randomUUID. */
function drawn() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
