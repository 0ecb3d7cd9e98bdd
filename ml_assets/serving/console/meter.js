// An answer as a picture: a probability on its scale from 0 to 1, with the threshold, or a value in
// its interval; and perhaps where it was before.

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

export function span(answer, before) {
  const { lower, upper } = answer.interval;
  const values = [lower, upper, before?.prediction, before?.interval?.lower, before?.interval?.upper].filter((each) => each != null);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const at = (one) => 8 + (284 * (one - least)) / (most - least || 1);
  const said = [`${plain(answer.prediction)}, between ${plain(lower)} and ${plain(upper)}`, before && `before ${plain(before.prediction)}`];
  return s(
    "svg",
    { class: "meter", viewBox: "0 0 300 26", role: "img", "aria-label": said.filter(Boolean).join(", ") },
    s("rect", { class: "track", x: 2, y: 9, width: 296, height: 8, rx: 4 }),
    s("rect", { class: "fill yes", x: at(lower), y: 9, width: Math.max(at(upper) - at(lower), 2), height: 8, rx: 4 }),
    before && s("circle", { class: "was", cx: at(before.prediction), cy: 13, r: 5 }),
    s("circle", { class: "is yes", cx: at(answer.prediction), cy: 13, r: 6 }),
  );
}
