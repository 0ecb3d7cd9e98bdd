// Asking the service, with a key where it wants one.

import { askForKey } from "./key.js";

const KEY = "ml_assets.key";

/** What the service refused, as problem+json says it. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "The service gave no reason.");
    this.status = status;
    this.errors = problem.errors ?? [];
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

export function get(path, signal) {
  return ask(path, { signal });
}

export function post(path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", body: JSON.stringify(body), headers, signal });
}

/** Follow a link to a page of the service; a key cannot go with a link, so there it is saved as a file. */
export async function follow(event, name) {
  if (!key.get()) return;
  const path = event.currentTarget.getAttribute("href");
  event.preventDefault();
  const response = await fetch(path, { headers: { Authorization: `Bearer ${key.get()}` } });
  const problem = response.ok ? null : await response.json().catch(() => ({}));
  if (problem) throw new Refused(response.status, problem);
  const saved = document.createElement("a");
  saved.href = URL.createObjectURL(await response.blob());
  saved.download = name;
  saved.click();
  URL.revokeObjectURL(saved.href);
}

async function ask(path, options) {
  const known = key.get();
  const headers = { Accept: "application/json", ...options.headers };
  if (known) headers.Authorization = `Bearer ${known}`;
  const response = await send(path, { ...options, headers });
  if (response.ok) return response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) {
    if (key.get() === known) await askForKey(known && problem.detail);
    return ask(path, options);
  }
  throw new Refused(response.status, problem);
}

async function send(path, options) {
  try {
    return await fetch(`../${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { detail: "The service does not answer. Is it running?" });
  }
}
