// Which page is shown: #/problem/page.

import { get, key, Refused } from "./api.js";
import { h, replace } from "./dom.js";
import { showFeedback } from "./feedback.js";
import { askForKey } from "./key.js";
import { showModels } from "./models.js";
import { showReview } from "./review.js";
import { showTry } from "./try.js";

const PAGES = {
  models: { title: "Models", show: showModels },
  try: { title: "Try", show: showTry },
  review: { title: "Review", show: showReview },
  feedback: { title: "Feedback", show: showFeedback },
};

const page = document.getElementById("page");
const select = document.getElementById("problem");
const keyButton = document.getElementById("key");

let problems = [];
let shown = new AbortController();

async function start() {
  try {
    problems = (await get("")).problems;
  } catch (error) {
    replace(page, failure(error));
    return;
  }
  replace(select, problems.map((each) => h("option", { value: each.name }, each.name)));
  select.addEventListener("change", () => go(select.value, place().name));
  keyButton.addEventListener("click", changeKey);
  window.addEventListener("hashchange", () => show(true));
  show(false);
}

function place() {
  const [, problem, name] = location.hash.split("/").map(decodeURIComponent);
  return {
    problem: problems.some((each) => each.name === problem) ? problem : problems[0]?.name,
    name: Object.hasOwn(PAGES, name ?? "") ? name : "models",
  };
}

function go(problem, name) {
  location.hash = `#/${encodeURIComponent(problem)}/${name}`;
}

async function show(byPerson) {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const { problem, name } = place();
  if (!problem) {
    replace(page, h("p", { class: "note" }, "No problem is served here."));
    return;
  }
  select.value = problem;
  document.title = `${PAGES[name].title} · ${problem}`;
  markTab(problem, name);
  const content = h("div", { class: `page page-${name}` });
  replace(page, content);
  if (byPerson) page.focus({ preventScroll: true });
  try {
    await PAGES[name].show(content, { problem, signal, go });
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return;
    replace(content, failure(error));
  }
  keyButton.hidden = !key.get();
  keyButton.textContent = "Change key";
}

function markTab(problem, name) {
  replace(
    document.getElementById("tabs"),
    Object.entries(PAGES).map(([each, { title }]) =>
      h("li", {}, h("a", { href: `#/${encodeURIComponent(problem)}/${each}`, "aria-current": each === name && "page" }, title)),
    ),
  );
}

/** What went wrong; a bug is told to the browser's console as well. */
function failure(error) {
  if (!(error instanceof Refused)) console.error(error);
  const again = h("button", { type: "button", onclick: () => location.reload() }, "Try again");
  const other = h("button", { type: "button", onclick: changeKey }, "Use another key");
  return h(
    "div",
    { class: "alert bad", role: "alert" },
    h("strong", {}, error.status === 403 ? "This key does not open this page" : "This did not work"),
    h("p", {}, error.message),
    h("div", { class: "buttons" }, error.status === 403 ? other : again),
  );
}

async function changeKey() {
  key.forget();
  await askForKey();
  show(true);
}

start();
