// A row as a person reads it: short values side by side, long texts in full below them.

import { h } from "./dom.js";
import { words } from "./format.js";

const LONG = 90;

export function rowAsRead(row) {
  const given = Object.entries(row).filter(([, value]) => value !== null && value !== "");
  const [short, long] = [given.filter(([, value]) => String(value).length <= LONG), given.filter(([, value]) => String(value).length > LONG)];
  return h(
    "div",
    { class: "row" },
    h("dl", { class: "cells" }, short.map(([name, value]) => h("div", {}, h("dt", {}, words(name)), h("dd", {}, String(value))))),
    long.map(([name, value]) => h("section", { class: "prose" }, h("h3", {}, words(name)), h("p", {}, String(value)))),
    given.length === 0 && h("p", { class: "soft" }, "The row had no values that are kept."),
  );
}
