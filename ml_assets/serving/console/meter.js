// A probability on its scale from 0 to 1, with the threshold, and perhaps where it was before.

import { s } from "./dom.js";
import { plain } from "./format.js";

export function meter(value, threshold, before) {
  const at = (one) => 2 + 296 * one;
  const said = [`probability ${plain(value)}`, `threshold ${plain(threshold)}`, before != null && `before ${plain(before)}`];
  return s(
    "svg",
    { class: "meter", viewBox: "0 0 300 26", role: "img", "aria-label": said.filter(Boolean).join(", ") },
    s("rect", { class: "track", x: 2, y: 9, width: 296, height: 8, rx: 4 }),
    s("rect", { class: value >= threshold ? "fill yes" : "fill no", x: 2, y: 9, width: Math.max(296 * value, 4), height: 8, rx: 4 }),
    s("line", { class: "threshold", x1: at(threshold), x2: at(threshold), y1: 3, y2: 23 }),
    before != null && s("circle", { class: "was", cx: at(before), cy: 13, r: 5 }),
    s("circle", { class: value >= threshold ? "is yes" : "is no", cx: at(value), cy: 13, r: 6 }),
  );
}
