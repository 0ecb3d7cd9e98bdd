// How numbers, times and names are written.

import { h } from "./dom.js";

/** A number: 0.657, 12,345, 0.00042. */
export function plain(value) {
  if (value == null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return Math.round(value).toLocaleString("en");
  if (size < 0.001) return value.toPrecision(2);
  return value.toFixed(3);
}

/** A difference, always with its sign. */
export function signed(value) {
  if (value == null) return "–";
  const text = plain(Math.abs(value));
  return Number(text.replaceAll(",", "")) === 0 ? "±0" : `${value > 0 ? "+" : "−"}${text}`;
}

/** Where a value may truly lie, and how often it does. */
export function reach({ lower, upper, coverage }) {
  return `${plain(lower)} to ${plain(upper)}${coverage == null ? "" : `, ${share(coverage)} of the time`}`;
}

export function share(value) {
  return `${Math.round(100 * value)} %`;
}

export function count(value, noun, nouns = `${noun}s`) {
  return `${value.toLocaleString("en")} ${value === 1 ? noun : nouns}`;
}

/** A moment as 2026-11-20 08:00, in UTC as everywhere in the platform. */
export function moment(text) {
  if (!text) return "–";
  const iso = new Date(text).toISOString();
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, `${iso.slice(0, 10)} ${iso.slice(11, 16)}`);
}

export function day(text) {
  const iso = new Date(text).toISOString();
  return h("time", { datetime: iso, title: `${iso.slice(0, 19).replace("T", " ")} UTC` }, iso.slice(0, 10));
}

/** A column's or metric's name as words. */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** A version's id, of which the end tells versions apart. */
export function version(id) {
  return h("code", { class: "id", title: id }, id ?? "–");
}

/** Yes or no, where a label is one; a number elsewhere. */
export function label(value, kind) {
  if (value == null) return "–";
  if (kind !== "binary") return plain(value);
  return h("span", { class: value ? "chip yes" : "chip no" }, value ? "yes" : "no");
}

/** What a rule of the contract asks, where its name can be said in words. */
export function ruleInWords(rule, field) {
  const text = rule.startsWith(`${field}: `) ? rule.slice(field.length + 2) : rule;
  const pattern = text.match(/^str_matches\((.*)\)$/s);
  if (pattern) return `must look like ${pattern[1].replace(/^'\^?|\$?'$/g, "")}`;
  const length = text.match(/^str_length\((\w+), (\w+)\)$/);
  if (length) return `must have ${length[1] === "None" ? 0 : length[1]} to ${length[2]} characters`;
  const limit = text.match(/^(greater_than_or_equal_to|less_than_or_equal_to|greater_than|less_than)\((.*)\)$/);
  if (limit) return `must be ${words(limit[1])} ${limit[2]}`;
  return text;
}
