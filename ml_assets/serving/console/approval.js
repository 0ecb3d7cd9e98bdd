// A challenger that waits for a person: what was found, and yes or no with a reason.

import { key, post, Refused } from "./api.js";
import { h, replace, say } from "./dom.js";
import { plain, version } from "./format.js";
import { report } from "./report.js";
import { REVIEWER } from "./review.js";

export function approval(problem, challenger, { signal, again }) {
  const trouble = h("div", {});
  const name = h("input", { id: "approver", type: "text", maxlength: 100, autocomplete: "name", required: true, value: localStorage.getItem(REVIEWER) ?? "" });
  const why = h("input", { id: "why", type: "text", maxlength: 2000, required: true, placeholder: "Looked at the slices" });
  const yes = h("button", { class: "primary", value: "yes" }, "Approve");
  const no = h("button", { value: "no" }, "Reject");
  const form = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        const approved = event.submitter !== no;
        const who = name.value.trim();
        if (!key.get()) localStorage.setItem(REVIEWER, who);
        for (const each of [yes, no]) each.disabled = true;
        replace(trouble, h("p", { class: "soft", role: "status" }, approved ? "Considering its release…" : "Recording…"));
        try {
          const said = await post(`${problem}/versions/${challenger.version}/approval`, { approved, why: why.value, ...(key.get() ? {} : { who }) }, signal);
          say(said.message ?? (approved ? "Its release is being considered." : "Rejected."));
          again();
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          replace(trouble, h("div", { class: "alert bad", role: "alert" }, h("p", {}, error.message)));
          for (const each of [yes, no]) each.disabled = false;
        }
      },
    },
    !key.get() && [h("label", { for: "approver" }, "Your name"), name],
    h("label", { for: "why" }, "Why"),
    why,
    h("div", { class: "buttons" }, yes, no),
    trouble,
  );
  return h(
    "section",
    { class: "card approval", "aria-label": "Waits for you" },
    h("p", { class: "eyebrow" }, "Waits for a person"),
    h("p", { class: "big" }, challenger.number, " ", version(challenger.version)),
    h("p", { class: "why" }, challenger.message),
    challenger.kpi && h("p", { class: "soft" }, `${plain(challenger.kpi.value)}, ${plain(challenger.kpi.low)} to ${plain(challenger.kpi.high)}`),
    challenger.is_analysed && h("p", {}, report(problem, challenger, "Read its report")),
    h("p", { class: "hint" }, "A yes is for exactly this bundle; it stays in the log with your name."),
    form,
  );
}
