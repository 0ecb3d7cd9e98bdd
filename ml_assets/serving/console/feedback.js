// What was said lately, where it went, and how quickly the wheel turns.

import { get } from "./api.js";
import { h, number, replace, s, table } from "./dom.js";
import { count, day, label, moment, plain, signed, version, words } from "./format.js";
import { rowAsRead } from "./row.js";

const PAGE = 50;
const COLUMNS = 7;

export async function showFeedback(root, { problem, signal }) {
  const [wheel, page] = await Promise.all([
    get(`${problem}/flywheel`, signal),
    get(`${problem}/feedback?limit=${PAGE}`, signal),
  ]);
  const refresh = h("button", { type: "button", class: "quiet", onclick: () => showFeedback(root, { problem, signal }) }, "Refresh");
  replace(
    root,
    h("header", { class: "head split" }, h("div", {}, h("h1", {}, "Feedback"), h("p", { class: "soft" }, `${wheel.kind === "binary" ? "A label of yes says" : "A label says"}: ${wheel.positive}`)), refresh),
    h("div", { class: "columns wheel" }, weeks(wheel), numbers(wheel)),
    wheel.cycles.length > 0 && cycles(wheel),
    newest(problem, wheel.kind, page, signal),
  );
}

function weeks(wheel) {
  const most = Math.max(1, ...wheel.weeks.map((each) => each.labels + each.signs));
  const width = 600 / wheel.weeks.length;
  const height = (value) => (110 * value) / most;
  const bars = wheel.weeks.map((each, place) => {
    const x = place * width + 4;
    const total = each.labels + each.signs;
    const what = `week of ${each.begins_on}: ${count(each.labels, "answer")} labelled, ${each.signs} rated or acted upon`;
    return s(
      "g",
      {},
      s("title", {}, what),
      s("rect", { class: "hit", x: place * width, y: 0, width, height: 150 }),
      s("rect", { class: "labels", x, y: 130 - height(each.labels), width: width - 8, height: height(each.labels) }),
      s("rect", { class: "signs", x, y: 130 - height(total), width: width - 8, height: height(each.signs) }),
      total > 0 && s("text", { x: x + width / 2 - 4, y: 125 - height(total), class: "value" }, total.toLocaleString("en")),
      s("text", { x: x + width / 2 - 4, y: 145, class: "week" }, each.begins_on.slice(5).replace("-", "/")),
    );
  });
  const said = wheel.weeks.map((each) => `${each.begins_on}: ${each.labels} labels, ${each.signs} signs`).join("; ");
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Answers that something was said about, by week"),
    h("figure", { class: "bars" }, s("svg", { viewBox: "0 0 600 150", role: "img", "aria-label": said }, s("line", { class: "axis", x1: 0, x2: 600, y1: 130, y2: 130 }), bars), h("figcaption", {}, h("span", { class: "key labels" }, "labels and corrections"), h("span", { class: "key signs" }, "ratings and events"))),
  );
}

function numbers(wheel) {
  const labels = wheel.weeks.map((each) => each.labels);
  const before = labels.slice(-5, -1);
  const mean = before.reduce((sum, each) => sum + each, 0) / Math.max(before.length, 1);
  return h(
    "section",
    { class: "card", "aria-label": "Flywheel" },
    h("h2", {}, "Flywheel"),
    h("div", { class: "tiles" }, tile(labels.at(-1).toLocaleString("en"), "labels this week"), tile(plain(Math.round(mean * 10) / 10), "a week, in the four before"), tile(wheel.sealed_labels.toLocaleString("en"), `labels in ${count(wheel.batches, "sealed batch", "sealed batches")}`)),
    h("p", { class: "hint" }, `A label can be sealed ${count(wheel.label_delay_days, "day")} after its answer; ${count(wheel.min_new_labels, "new label")} start a retraining.`),
    wheel.decision && h("div", { class: "decision" }, h("p", { class: "eyebrow" }, "Last decision about retraining"), h("p", {}, h("span", { class: `chip ${wheel.decision.retrain ? "good" : "plain"}` }, wheel.decision.retrain ? "retrain" : "wait"), " ", wheel.decision.reason), h("p", { class: "hint" }, moment(wheel.decision.at))),
  );
}

function cycles(wheel) {
  const rows = wheel.cycles.map((each) =>
    h(
      "tr",
      {},
      h("td", {}, moment(each.at)),
      h("td", {}, version(each.version)),
      h("td", {}, each.trigger),
      number(each.new_batches.toLocaleString("en")),
      h("td", { class: `number ${each.low > 0 ? "good" : each.high < 0 ? "bad" : ""}` }, h("strong", {}, signed(each.gain))),
      number(h("span", { class: "soft" }, `${signed(each.low)} to ${signed(each.high)}`)),
    ),
  );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "What each model gained"),
    h("p", { class: "hint" }, `${words(wheel.kpi)} over the champion of its time, on the same rows; ${signed(wheel.gain_per_cycle)} on average.`),
    table(["Registered (UTC)", "Version", "Trigger", "#New feedback batches", "#Gain", "#Interval"], rows, "Models that were compared with a champion", "flow"),
  );
}

function tile(value, text) {
  return h("p", { class: "tile" }, h("span", { class: "value" }, value), " ", h("span", { class: "soft" }, text));
}

function newest(problem, kind, page, signal) {
  const body = h("tbody", {});
  const foot = h("div", { class: "buttons" });
  const show = (some) => {
    body.append(...some.events.flatMap((each) => event(each, kind)));
    replace(foot, some.before && h("button", { type: "button", onclick: async () => show(await get(`${problem}/feedback?limit=${PAGE}&before=${some.before}`, signal)) }, "Older ones"));
  };
  show(page);
  const headings = ["Received (UTC)", "Said", "Label", "By", "The model said", "Where it is", ""];
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Newest feedback"),
    page.events.length === 0
      ? h("p", { class: "soft" }, `Nobody has said anything yet. Feedback goes by the id of a prediction: POST /${problem}/feedback.`)
      : h("div", { class: "scroll" }, h("table", { class: "flow" }, h("thead", {}, h("tr", {}, headings.map((each) => h("th", { scope: "col" }, each || h("span", { class: "unseen" }, "Row"))))), body)),
    foot,
  );
}

function event(each, kind) {
  const { answer } = each;
  const detail = h("tr", { class: "detail", hidden: true }, h("td", { colspan: COLUMNS }));
  const open = h("button", { type: "button", class: "quiet small", "aria-expanded": "false", onclick: () => unfold(open, detail, answer) }, "row");
  return [
    h(
      "tr",
      { class: each.is_taken_back ? "taken-back" : null },
      h("td", {}, moment(each.received_at)),
      h("td", {}, each.kind === "event" ? words(each.name) : each.kind, each.is_taken_back && h("span", { class: "hint" }, " taken back")),
      h("td", {}, said(each, kind)),
      h("td", {}, each.source),
      h("td", { class: "nowrap" }, answer ? [plain(answer.prediction), " ", answer.decision !== null && label(answer.decision, "binary"), " ", agreement(each, answer)] : "–"),
      h("td", { class: "where" }, where(answer)),
      h("td", {}, answer && open),
    ),
    detail,
  ];
}

function said(each, kind) {
  if (each.kind === "rating") return plain(each.value);
  return each.value === null ? "–" : label(each.value, kind);
}

function agreement(each, answer) {
  if (answer.decision === null || each.is_taken_back || !["label", "correction"].includes(each.kind)) return null;
  const agrees = Boolean(each.value) === answer.decision;
  return h("span", { class: agrees ? "good" : "bad" }, agrees ? "agrees" : "differs");
}

function where(answer) {
  if (!answer) return "erased";
  if (!answer.batch) return h("span", { class: "soft" }, "can be sealed from ", day(answer.ripe_at));
  return [h("code", {}, answer.batch), !answer.is_counted && h("span", { class: "soft" }, ", in its next revision")];
}

function unfold(button, detail, answer) {
  detail.hidden = !detail.hidden;
  button.setAttribute("aria-expanded", String(!detail.hidden));
  if (!detail.hidden) replace(detail.firstChild, h("p", { class: "hint" }, "Prediction ", version(answer.id), " by ", version(answer.version), ", ", moment(answer.at)), rowAsRead(answer.row));
}
