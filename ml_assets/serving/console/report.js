// A link to the report of a version, which opens beside the console, or is saved where a key is needed.

import { follow } from "./api.js";
import { h } from "./dom.js";

export function report(problem, { version: id, number: name }, text = "report") {
  const attributes = { href: `../${problem}/versions/${id}/report`, target: "_blank", rel: "noopener", "aria-label": `Report of ${name}` };
  return h("a", { ...attributes, onclick: (event) => follow(event, `${problem}-${name}.html`) }, text);
}
