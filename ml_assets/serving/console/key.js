// The dialog that asks for an API key; the key stays in this tab, until it is closed.

import { key } from "./api.js";
import { h } from "./dom.js";

let asking = null;

/** Ask for a key once, however many requests wait for it; with what was wrong with the last one. */
export function askForKey(reason) {
  asking ??= shown(reason).finally(() => {
    asking = null;
  });
  return asking;
}

function shown(reason) {
  return new Promise((resolve) => {
    const input = h("input", { id: "key-input", type: "password", autocomplete: "off", spellcheck: "false", required: true, placeholder: "mla_…" });
    const form = h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          key.set(input.value.trim());
          dialog.close();
        },
      },
      h("h2", { id: "key-title" }, "This service asks for a key"),
      reason ? h("p", { class: "bad", role: "alert" }, reason) : h("p", { class: "soft" }, "Whoever runs it makes one: ", h("code", {}, "ml-assets keys add NAME --role predict --role review")),
      h("label", { for: "key-input" }, "API key"),
      input,
      h("p", { class: "hint" }, "It is kept in this tab until you close it. Models and Try need the role predict, Review and Feedback the role review, approving a model the role admin."),
      h("div", { class: "buttons" }, h("button", { class: "primary" }, "Use this key")),
    );
    const dialog = h(
      "dialog",
      {
        "aria-labelledby": "key-title",
        oncancel: (event) => event.preventDefault(),
        onclose: () => {
          dialog.remove();
          resolve();
        },
      },
      form,
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
