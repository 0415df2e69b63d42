// Dialogs with a form: opened by the buttons with the dialog's id in `data-ask`, closed by Cancel, sent to the server.

import { clearErrors, showErrors } from "./forms.js";

const MESSAGE = "gmail-warmup-done";

// `open` fills in the form for the button that was pressed. `act` sends it and returns the message to show after a
// reload, or nothing if it leaves the page itself, for example with `leaveWith`.
export function formDialog(dialog, act, open = () => {}) {
  const form = dialog.querySelector("form");
  const error = dialog.querySelector("[role=alert]");
  const button = form.querySelector("button:not([type])");
  for (const opener of document.querySelectorAll(`[data-ask="${dialog.id}"]`)) {
    opener.addEventListener("click", () => {
      form.reset();
      clearErrors(form, error);
      open(form, opener);
      dialog.showModal();
    });
  }
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const message = await act(form);
      if (message !== undefined) reloadWith(message);
    } catch (problem) {
      showErrors(form, error, problem);
      button.disabled = false;
    }
  });
}

// Show the message of the change that led to this page.
export function showMessage() {
  const message = sessionStorage.getItem(MESSAGE);
  sessionStorage.removeItem(MESSAGE);
  const box = document.querySelector("#done");
  if (!message || !box) return;
  box.textContent = message;
  box.hidden = false;
}

export function reloadWith(message) {
  sessionStorage.setItem(MESSAGE, message);
  location.reload();
}

export function leaveWith(message, url) {
  sessionStorage.setItem(MESSAGE, message);
  location.assign(url);
}
