// Try a prediction, change one field, and see what that does. Every answer here is a trial: it is
// logged as one that nobody acted upon.

import { get, post, Refused } from "./api.js";
import { h, replace, say } from "./dom.js";
import { plain, reach, ruleInWords, signed, version, words } from "./format.js";
import { meter, span } from "./meter.js";

const PAUSE_MS = 300;

let handed = null;

/** Let the next visit of the page begin with a row. */
export function handOver(problem, row) {
  handed = { problem, row };
}

export async function showTry(root, { problem, signal }) {
  const [form, { versions }] = await Promise.all([get(`${problem}/form`, signal), get(`${problem}/versions`, signal)]);
  const trial = new Trial(problem, form, versions, signal);
  replace(root, trial.element);
  if (handed?.problem === problem) {
    trial.fill(handed.row);
    handed = null;
    await trial.predict();
  }
}

class Trial {
  constructor(problem, form, versions, signal) {
    this.problem = problem;
    this.form = form;
    this.signal = signal;
    this.example = 0;
    this.base = null;
    this.asked = 0;
    this.inputs = new Map(form.fields.map((field) => [field.name, new Field(field, () => this.changed())]));
    this.result = h("div", { class: "result", "aria-live": "polite" });
    this.trouble = h("div", {});
    this.version = h("select", { id: "version", onchange: () => this.restart() }, h("option", { value: "" }, "the champion"), versions.map((each) => h("option", { value: each.version }, `${each.number} · ${each.version}`)));
    this.element = this.layout();
    this.showEmpty();
  }

  layout() {
    const prose = [...this.inputs.values()].filter((input) => input.field.is_prose);
    const short = [...this.inputs.values()].filter((input) => !input.field.is_prose);
    return h(
      "div",
      {},
      h(
        "header",
        { class: "head" },
        h("h1", {}, "Try a prediction"),
        h("p", { class: "soft" }, `The fields that are known at the moment of prediction: ${words(this.form.moment_of_prediction)}. Answers here are trials; nothing is learned from them.`),
      ),
      h(
        "div",
        { class: "try" },
        h(
          "form",
          { class: "card", novalidate: true, onsubmit: (event) => this.submitted(event) },
          h(
            "div",
            { class: "toolbar" },
            h("button", { type: "button", onclick: () => this.load("rows/example") }, "Example row"),
            h("button", { type: "button", onclick: () => this.load("rows/newest") }, "Newest request"),
            h("button", { type: "button", class: "quiet", onclick: () => this.clear() }, "Clear"),
          ),
          this.trouble,
          h("div", { class: "fields" }, short.map((input) => input.element)),
          prose.map((input) => input.element),
          h(
            "div",
            { class: "buttons" },
            h("button", { class: "primary", id: "predict" }, "Predict"),
            h("label", { class: "inline", for: "version" }, "by ", this.version),
            h("span", { class: "hint" }, "Enter predicts; in a long text, Ctrl and Enter"),
          ),
        ),
        h("aside", { class: "card side", "aria-label": "Answer" }, this.result),
      ),
    );
  }

  row() {
    const filled = [...this.inputs.values()].map((input) => [input.field.name, input.value]);
    return Object.fromEntries(filled.filter(([, value]) => value !== null));
  }

  fill(row) {
    for (const [name, input] of this.inputs) input.value = row[name] ?? null;
    this.base = null;
  }

  clear() {
    this.fill({});
    this.complain([]);
    this.showEmpty();
  }

  async load(path) {
    try {
      const query = path === "rows/example" ? `?number=${this.example++}` : "";
      this.fill((await get(`${this.problem}/${path}${query}`, this.signal)).row);
      await this.predict();
    } catch (error) {
      this.failed(error);
    }
  }

  submitted(event) {
    event.preventDefault();
    this.predict();
  }

  restart() {
    this.base = null;
    if (Object.keys(this.row()).length > 0) this.predict();
  }

  changed() {
    if (!this.base) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.predict(), PAUSE_MS);
  }

  async predict() {
    clearTimeout(this.waiting);
    const asked = ++this.asked;
    const row = this.row();
    const chosen = this.version.value ? `/versions/${this.version.value}` : "";
    try {
      const answer = await post(`${this.problem}${chosen}/predict?trial&features`, row, this.signal);
      if (asked === this.asked) this.answered(row, answer);
    } catch (error) {
      if (asked === this.asked) this.failed(error);
    }
  }

  answered(row, answer) {
    this.complain([]);
    this.base ??= { row, answer };
    const changes = changesOf(this.base.row, row);
    for (const [name, input] of this.inputs) input.mark(changes.some((each) => each.name === name));
    if (changes.length === 0) this.showOne(answer);
    else this.showTwo(changes, row, answer);
  }

  failed(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) throw error;
    this.result.classList.add("stale");
    this.complain(error.errors, error.message);
  }

  complain(errors, message = "") {
    const elsewhere = [];
    for (const input of this.inputs.values()) input.complain("");
    for (const each of errors) {
      const input = this.inputs.get(each.field);
      if (input) input.complain(ruleInWords(each.rule, each.field));
      else elsewhere.push(each.rule);
    }
    if (message && errors.length === 0) elsewhere.push(message);
    replace(this.trouble, elsewhere.length > 0 && h("div", { class: "alert bad", role: "alert" }, elsewhere.map((text) => h("p", {}, text))));
    if (errors.length > 0) say(`${errors.length} fields break the contract.`);
  }

  showEmpty() {
    this.result.classList.remove("stale");
    replace(this.result, h("p", { class: "eyebrow" }, "Answer"), h("p", { class: "soft" }, "Fill the form in, or begin with an example row. Then change one field and see what it does."));
  }

  showOne(answer) {
    this.result.classList.remove("stale");
    replace(this.result, h("p", { class: "eyebrow" }, "Answer"), this.figure(answer), this.about(answer), h("p", { class: "hint" }, "Change a field: the answer follows."));
  }

  showTwo(changes, row, answer) {
    const before = this.base.answer;
    const difference = answer.prediction - before.prediction;
    const turned = before.decision !== answer.decision;
    this.result.classList.remove("stale");
    replace(
      this.result,
      h("p", { class: "eyebrow" }, "With your change"),
      this.figure(answer, before),
      h(
        "p",
        { class: "difference" },
        h("span", { class: "before" }, plain(before.prediction)),
        " → ",
        h("span", { class: "after" }, plain(answer.prediction)),
        " ",
        h("strong", { class: `delta ${difference === 0 ? "" : difference > 0 ? "up" : "down"}` }, signed(difference)),
      ),
      turned && h("p", { class: "turned" }, `The decision changed from ${decision(before)} to ${decision(answer)}.`),
      h("ul", { class: "changes" }, changes.map((each) => this.change(each))),
      h(
        "div",
        { class: "buttons" },
        h("button", { type: "button", onclick: () => this.back(this.base.row) }, "Undo all"),
        h("button", { type: "button", class: "quiet", onclick: () => this.keep(row, answer) }, "Go on from here"),
      ),
      this.about(answer),
    );
    say(`The answer changed from ${plain(before.prediction)} to ${plain(answer.prediction)}.`);
  }

  change({ name, before, after }) {
    const undo = () => {
      this.inputs.get(name).value = before;
      this.predict();
    };
    return h(
      "li",
      {},
      h("span", { class: "soft" }, words(name)),
      h("span", { class: "values" }, h("del", {}, shortened(before)), " ", h("ins", {}, shortened(after))),
      h("button", { type: "button", class: "quiet small", onclick: undo, "aria-label": `Undo the change of ${words(name)}` }, "undo"),
    );
  }

  back(row) {
    const { base } = this;
    this.fill(row);
    this.base = base;
    this.predict();
  }

  keep(row, answer) {
    this.base = { row, answer };
    this.answered(row, answer);
  }

  figure(answer, before) {
    if (answer.decision === null) {
      return [
        h("p", { class: "figure", id: "answer" }, plain(answer.prediction)),
        answer.interval && span(answer, before),
        answer.interval && h("p", { id: "interval" }, reach(answer.interval)),
        h("p", { class: "soft" }, this.form.positive),
      ];
    }
    return [
      h("p", { class: "figure" }, h("span", { id: "answer" }, plain(answer.prediction)), " ", h("span", { class: answer.decision ? "chip yes" : "chip no" }, decision(answer))),
      meter(answer.prediction, this.form.threshold, before?.prediction),
      h("p", { class: "soft" }, `Yes: ${this.form.positive}`),
    ];
  }

  about(answer) {
    const features = Object.entries(answer.features);
    const read = h(
      "details",
      { class: "read" },
      h("summary", {}, "What the model read"),
      h("p", { class: "hint" }, "Version ", version(answer.version)),
      h("dl", { class: "facts" }, features.map(([name, value]) => [h("dt", {}, words(name)), h("dd", {}, asRead(value))])),
    );
    if (!answer.shown) return read;
    const shown = Object.entries(answer.shown).map(([name, value]) => [h("dt", {}, words(name)), h("dd", {}, asRead(value))]);
    return [h("div", {}, h("p", { class: "eyebrow" }, "Shown to the client"), h("dl", { class: "facts" }, shown)), read];
  }
}

class Field {
  constructor(field, changed) {
    this.field = field;
    const id = `field-${field.name}`;
    this.input = control(field, id, changed);
    this.error = h("p", { class: "error", id: `${id}-error`, role: "alert" });
    const about = [field.description, field.is_required ? "Needed." : ""].filter(Boolean).join(" ");
    this.element = h(
      "div",
      { class: field.is_prose ? "field prose" : "field" },
      h("label", { for: id }, words(field.name), field.is_required && h("span", { class: "needed", title: "needed" }, " •")),
      this.input,
      field.suggestions.length > 0 && field.kind === "text" && h("datalist", { id: `${id}-list` }, field.suggestions.map((each) => h("option", { value: each }))),
      this.error,
      h("p", { class: "hint", id: `${id}-hint` }, about),
    );
    this.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  }

  get value() {
    const text = this.input.value;
    if (text === "") return null;
    return this.field.kind === "boolean" ? text === "true" : text;
  }

  set value(given) {
    if (given === null) this.input.value = "";
    else if (this.field.kind === "boolean") this.input.value = yesOrNo(given);
    else this.input.value = String(given);
    this.mark(false);
  }

  mark(isChanged) {
    this.element.classList.toggle("changed", isChanged);
  }

  complain(text) {
    this.error.textContent = text;
    this.element.classList.toggle("wrong", text !== "");
    this.input.setAttribute("aria-invalid", String(text !== ""));
  }
}

function control(field, id, changed) {
  const listening = { id, name: field.name, oninput: changed, autocomplete: "off" };
  if (field.kind === "boolean") {
    return h("select", listening, h("option", { value: "" }, "unknown"), h("option", { value: "true" }, "yes"), h("option", { value: "false" }, "no"));
  }
  if (field.is_prose) return h("textarea", { ...listening, rows: 7, onkeydown: sendWithEnter });
  const list = field.suggestions.length > 0 ? `${id}-list` : null;
  const placeholder = { time: "2026-11-20", number: "1.5", integer: "1" }[field.kind];
  return h("input", { ...listening, type: "text", inputmode: ["number", "integer"].includes(field.kind) ? "decimal" : null, list, placeholder });
}

function sendWithEnter(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit();
}

function yesOrNo(given) {
  const word = String(given).toLowerCase();
  if (["yes", "true", "1"].includes(word)) return "true";
  return ["no", "false", "0"].includes(word) ? "false" : "";
}

function changesOf(before, after) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.map((name) => ({ name, before: before[name] ?? null, after: after[name] ?? null })).filter((each) => each.before !== each.after);
}

function decision(answer) {
  return answer.decision ? "yes" : "no";
}

function asRead(value) {
  if (value === null) return "–";
  if (typeof value === "number") return plain(value);
  return shortened(typeof value === "object" ? JSON.stringify(value) : value);
}

function shortened(value) {
  if (value === null || value === "") return "nothing";
  const text = String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
