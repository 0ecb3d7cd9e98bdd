// Who answers, how good it is beside the trivial baseline, since when, and why.

import { get, Refused } from "./api.js";
import { approval } from "./approval.js";
import { h, number, replace, s, table } from "./dom.js";
import { count, day, moment, plain, share, signed, version, words } from "./format.js";
import { report } from "./report.js";

const SLICES_SHOWN = 10;
const EXPLAINED = 3;

const ODD = {
  missing: "is missing",
  unknown_category: "has categories that the model did not learn",
  wrong_type: "is of another type",
  broken_rule: "breaks the contract",
  unknown_column: "have columns that the contract does not have",
};

export async function showModels(root, { problem, signal }) {
  const [told, { alerts: odd = {} }] = await Promise.all([get(`${problem}/overview`, signal), get("ready", signal).catch(notReady)]);
  const refresh = h("button", { type: "button", class: "quiet", onclick: () => again() }, "Refresh");
  const kpi = told.metrics[0];
  const waiting = told.versions.find((each) => each.outcome === "waiting" && each.version !== told.champion);
  const again = () => showModels(root, { problem, signal });
  replace(
    root,
    h("header", { class: "head split" }, h("div", {}, h("h1", {}, "Models"), h("p", { class: "soft" }, told.objective, ` Owner: ${told.owner}.`)), refresh),
    alerts(told, odd[problem] ?? []),
    waiting && approval(problem, waiting, { signal, again }),
    told.champion && champion(told, kpi),
    told.evaluation && h("div", { class: "columns" }, metrics(told), slices(told, kpi)),
    told.releases.length > 0 && releases(told),
    told.versions.length > 0 && versions(told, kpi),
  );
}

/** While a problem has no champion the service is not ready, and what it says is in the overview. */
function notReady(error) {
  if (error instanceof Refused) return {};
  throw error;
}

function alerts(told, odd) {
  const found = odd.map((each) => ["warn", "What is asked looks odd", `${each.column || "Rows"} ${ODD[each.kind]} in ${share(each.share)} of the last rows; at most ${share(each.limit)} is usual.`]);
  if (told.failure) found.push(["bad", "The champion cannot answer", told.failure]);
  if (!told.champion) found.push(["warn", "No version is champion yet", told.versions.length > 0 ? "What was decided about each version is listed below." : "No model was registered yet."]);
  if (told.answering && told.champion && told.answering.version !== told.champion) {
    found.push(["warn", "An older version answers", `${told.answering.version} goes on until the champion ${told.champion} can be loaded.`]);
  }
  for (const warning of told.answering?.warnings ?? []) found.push(["warn", "Warning", warning]);
  return found.map(([kind, title, text]) => h("div", { class: `alert ${kind}`, role: kind === "bad" ? "alert" : null }, h("strong", {}, title), h("p", {}, text)));
}

function champion(told, kpi) {
  const release = told.releases[0];
  const isForced = release.kind === "forced";
  const own = told.versions.find((each) => each.version === told.champion);
  const { trained } = told;
  return h(
    "section",
    { class: "card champion", "aria-label": "Champion" },
    h(
      "div",
      { class: "who" },
      h("p", { class: "eyebrow" }, "Champion", isForced && h("span", { class: "chip warn" }, "forced")),
      h("p", { class: "big" }, own.number, " ", version(own.version)),
      h("p", {}, "Answers since ", moment(release.at), `: ${release.kind} by ${release.who}.`),
      h("p", { class: "why" }, release.why),
      h(
        "dl",
        { class: "facts" },
        fact("Path", path(told)),
        fact("Trained", `${words(own.algorithm)} · trigger: ${own.trigger} · `, day(own.created_at)),
        fact("Rows", Object.entries(trained.rows).map(([split, rows]) => `${rows.toLocaleString("en")} ${split}`).join(" · ") || "–"),
        trained.partitions > 0 && fact("Partitions", `${trained.partitions}, ${trained.first_partition} to ${trained.last_partition}`),
        trained.intervals && fact("Intervals", intervals(trained.intervals)),
        trained.local_rows && fact("Own models", localModels(trained.local_rows)),
        trained.feedback_batches > 0 && fact("Feedback", count(trained.feedback_batches, "batch", "batches")),
        Object.keys(trained.excluded).length > 0 && fact("Left out", leftOut(trained.excluded)),
      ),
    ),
    told.evaluation && measured(told, kpi),
  );
}

function fact(name, ...values) {
  return [h("dt", {}, name), h("dd", {}, ...values)];
}

function intervals({ coverage, by, groups, shared }) {
  const own = Object.keys(groups).length;
  return `hold ${share(coverage)}; ${by ? `${count(own, "width")} by ${words(by)}, and a shared one` : "one width"}, by ${count(shared.rows, "row")}`;
}

function localModels(rows) {
  const groups = Object.entries(rows);
  if (groups.length === 0) return "no group has enough rows yet";
  return groups.map(([group, own]) => `${group} (${count(own, "row")})`).join(", ");
}

function leftOut(excluded) {
  const entries = Object.entries(excluded);
  return h(
    "details",
    {},
    h("summary", {}, count(entries.length, "partition")),
    h("ul", {}, entries.map(([partition, why]) => h("li", {}, `${partition}: ${why}`))),
  );
}

function path({ answering, champion: id }) {
  if (answering?.version !== id) return "not loaded";
  if (answering.is_direct) return "direct look-ups";
  const why = Object.entries(answering.ways).filter(([, reason]) => reason);
  return h(
    "details",
    {},
    h("summary", {}, "through the pipeline"),
    h("ul", {}, why.map(([part, reason]) => h("li", {}, `${part}: ${reason}`))),
  );
}

function measured(told, kpi) {
  const { evaluation } = told;
  const value = evaluation.metrics.test[kpi.name];
  const interval = evaluation.kpi;
  return h(
    "div",
    { class: "kpi" },
    h("p", { class: "eyebrow" }, words(kpi.name)),
    h("p", { class: "figure" }, plain(value)),
    interval && h("p", { class: "soft" }, `${plain(interval.low)} to ${plain(interval.high)} with ${Math.round(100 * interval.confidence)} % confidence, ${count(evaluation.rows, "row")} that it never saw`),
    scale(told, kpi),
    h("p", { class: "hint" }, told.kpi.formula),
  );
}

/** Where the champion stands between the baseline, the floor and the champion before. */
function scale(told, kpi) {
  const { evaluation } = told;
  const marks = [
    ["baseline", evaluation.metrics.baseline?.[kpi.name], "mark-baseline"],
    ["floor", told.kpi.floor, "mark-floor"],
    ["before", evaluation.metrics.champion?.[kpi.name], "mark-before"],
  ].filter(([, value]) => value != null);
  const own = evaluation.metrics.test[kpi.name];
  if (own == null) return null;
  const [low, high] = [evaluation.kpi?.low ?? own, evaluation.kpi?.high ?? own];
  const values = [low, high, own, ...marks.map(([, value]) => value)];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const at = (value) => 16 + (268 * (value - least)) / (most - least || 1);
  const title = [["champion", own], ...marks].map(([name, value]) => `${name} ${plain(value)}`).join(", ");
  return h(
    "figure",
    { class: "scale" },
    s(
      "svg",
      { viewBox: "0 0 300 30", role: "img", "aria-label": title },
      s("line", { class: "axis", x1: 16, x2: 284, y1: 15, y2: 15 }),
      s("line", { class: "range", x1: at(low), x2: at(high), y1: 15, y2: 15 }),
      marks.map(([name, value, kind]) => s("line", { class: kind, x1: at(value), x2: at(value), y1: 6, y2: 24 }, s("title", {}, `${name} ${plain(value)}`))),
      s("circle", { class: "own", cx: at(own), cy: 15, r: 5 }),
    ),
    h("figcaption", {}, [["champion", own, "own"], ...marks].map(([name, value, kind]) => h("span", { class: `key ${kind}` }, `${name} ${plain(value)}`))),
  );
}

function metrics(told) {
  const { test, baseline = {}, train = {}, champion: before } = told.evaluation.metrics;
  const columns = ["Metric", "#Test", "#Baseline", "#Gain", "#Train", before && "#Before"].filter(Boolean);
  const rows = told.metrics.map(({ name, higher_is_better }) => {
    const gain = test[name] == null || baseline[name] == null ? null : test[name] - baseline[name];
    const better = gain == null || gain === 0 ? "" : gain > 0 === higher_is_better ? "good" : "bad";
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, words(name), h("span", { class: "hint", title: higher_is_better ? "higher is better" : "lower is better" }, higher_is_better ? " ↑" : " ↓")),
      number(h("strong", {}, plain(test[name]))),
      number(plain(baseline[name])),
      h("td", { class: `number ${better}` }, signed(gain)),
      number(plain(train[name])),
      before && number(plain(before[name])),
    );
  });
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Metrics"),
    h("p", { class: "hint" }, "Gain is over the trivial baseline; train is the error on rows it learned from."),
    table(columns, rows, "Metrics of the champion"),
  );
}

function slices(told, kpi) {
  const found = told.evaluation.slices;
  const values = found.map((each) => each.metrics[kpi.name]).filter((value) => value != null);
  const whole = told.evaluation.metrics.test[kpi.name];
  const card = h("section", { class: "card" }, h("h2", {}, "Slices, worst first"));
  if (found.length === 0) {
    card.append(h("p", { class: "soft" }, "No slice has enough rows to be measured on its own."));
    return card;
  }
  const [least, most] = [Math.min(...values, whole), Math.max(...values, whole)];
  const hasBaseline = found.some((each) => each.baseline[kpi.name] != null);
  const rows = found.map((each, place) => slice(each, kpi, { least, most, whole, hasBaseline }, place >= SLICES_SHOWN));
  card.append(
    h("p", { class: "hint" }, `Line: all rows, ${plain(whole)}.`),
    table(["Slice", "#Rows", `#${words(kpi.name)}`, hasBaseline && "#Baseline", ""].filter((each) => each !== false), rows, "Slices of the champion"),
  );
  if (rows.length > SLICES_SHOWN) card.append(more(rows));
  return card;
}

function slice(each, kpi, { least, most, whole, hasBaseline }, hidden) {
  const value = each.metrics[kpi.name];
  const at = (one) => 2 + (96 * (one - least)) / (most - least || 1);
  return h(
    "tr",
    { hidden },
    h("th", { scope: "row" }, h("span", { class: "soft" }, `${words(each.column)} `), each.value),
    number(each.rows.toLocaleString("en")),
    number(plain(value)),
    hasBaseline && number(h("span", { class: "soft" }, plain(each.baseline[kpi.name]))),
    h(
      "td",
      { class: "strip" },
      value != null &&
        s(
          "svg",
          { viewBox: "0 0 100 12", "aria-hidden": "true" },
          s("line", { class: "axis", x1: 2, x2: 98, y1: 6, y2: 6 }),
          s("line", { class: "mark-whole", x1: at(whole), x2: at(whole), y1: 1, y2: 11 }),
          s("circle", { class: value !== whole && value < whole === kpi.higher_is_better ? "low" : "own", cx: at(value), cy: 6, r: 3 }),
        ),
    ),
  );
}

function more(rows) {
  const button = h(
    "button",
    {
      type: "button",
      class: "quiet",
      onclick: () => {
        rows.forEach((row) => row.removeAttribute("hidden"));
        button.remove();
      },
    },
    `Show all ${rows.length}`,
  );
  return button;
}

function releases(told) {
  const numbers = Object.fromEntries(told.versions.map((each) => [each.version, each.number]));
  const rows = told.releases.map((each) =>
    h(
      "tr",
      {},
      h("td", {}, moment(each.at)),
      h("td", {}, h("span", { class: `chip ${each.kind === "promotion" ? "plain" : "warn"}` }, each.kind)),
      h("td", { class: "nowrap" }, each.from_version ? `${numbers[each.from_version] ?? each.from_version} → ` : "", h("strong", {}, numbers[each.to_version] ?? each.to_version)),
      h("td", {}, each.who),
      h("td", { class: "wide" }, each.why),
    ),
  );
  return h("section", { class: "card" }, h("h2", {}, "Releases"), table(["When (UTC)", "Kind", "Version", "Who", "Why"], rows, "Releases, newest first", "flow"));
}

function versions(told, kpi) {
  const rows = told.versions.map((each, place) =>
    h(
      "tr",
      {},
      h("td", { class: "reason" }, h("strong", {}, each.number), h("span", { class: "hint" }, ` ${each.number_reason}`)),
      h("td", {}, version(each.version)),
      h("td", {}, moment(each.created_at)),
      h("td", { class: "nowrap" }, `${words(each.algorithm)}, ${each.trigger}`),
      number(each.kpi ? plain(each.kpi.value) : "–"),
      number(h("span", { class: "soft" }, each.kpi ? `${plain(each.kpi.low)} – ${plain(each.kpi.high)}` : "")),
      h("td", { class: "wide" }, outcome(told, each, place < EXPLAINED)),
      h("td", {}, each.is_analysed ? report(told.problem, each) : h("span", { class: "soft", title: `ml-assets report ${told.problem}` }, "not analysed")),
    ),
  );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Versions"),
    table(["Version", "Id", "Registered (UTC)", "Made by", `#${words(kpi.name)}`, "#Interval", "Decided last", "Report"], rows, "Versions, newest first", "flow"),
  );
}

function outcome(told, each, isOpen) {
  const chip = each.version === told.champion ? h("span", { class: "chip good" }, "champion") : each.outcome && h("span", { class: `chip ${each.outcome === "refused" ? "warn" : "plain"}` }, each.outcome);
  if (!each.message) return chip ?? "–";
  if (each.version === told.champion) return chip;
  return h("details", { open: isOpen }, h("summary", {}, chip), h("p", {}, each.message));
}
