// The kill switch: dialogs that confirm stopping and starting everything.

import { post } from "./api.js";
import { clearErrors, showErrors } from "./forms.js";

const ACTIONS = {
  "halt-begin": (form) => post("halt", { reason: form.elements.reason.value.trim() }),
  "halt-end": () => post("halt/end", {}),
};

function confirmWith(dialog, act) {
  const form = dialog.querySelector("form");
  const error = dialog.querySelector("[role=alert]");
  const button = form.querySelector("button:not([type])");
  for (const opener of document.querySelectorAll(`[data-ask="${dialog.id}"]`)) {
    opener.addEventListener("click", () => {
      clearErrors(form, error);
      dialog.showModal();
      form.elements.reason?.focus();
    });
  }
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await act(form);
      location.reload();
    } catch (problem) {
      showErrors(form, error, problem);
      button.disabled = false;
    }
  });
}

for (const [id, act] of Object.entries(ACTIONS)) {
  const dialog = document.getElementById(id);
  if (dialog) confirmWith(dialog, act);
}
