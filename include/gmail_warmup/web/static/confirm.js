// Dialogs in which a person types the address, or the number of several mailboxes: to remove them, or to export their data.

import { file, post } from "./api.js";
import { save } from "./save.js";

// What became of the removals, as one message.
function describe(removals) {
  if (removals.length === 1) return removals[0].description;
  const waiting = removals.filter(({ step }) => step !== "done");
  const done = `${removals.length - waiting.length} of ${removals.length} mailboxes are removed.`;
  return [done, ...waiting.map(({ description }) => description)].join(" ");
}

async function remove(target, { confirmation, revoke_grant: revoke, trash_mail: trash }) {
  const body = { ...target, confirmation: confirmation.value, revoke_grant: revoke.checked, trash_mail: trash.checked };
  return describe((await post("mailboxes/remove", body)).removals);
}

async function exportData(target, { confirmation }) {
  const { addresses } = target;
  const name = addresses?.length === 1 ? `${addresses[0]}.json` : "mailboxes.zip";
  save(await file("mailboxes/export-data", { ...target, confirmation: confirmation.value }), name);
  return "";
}

const ACTIONS = { remove, export: exportData };

// Return the function that opens the dialog.
// `target` returns the part of the request that names the mailboxes, `expected` what has to be typed, `title` how they
// are called. `done` gets the message of a change.
export function typedConfirmation(dialog, { target, expected, title, done }) {
  const form = dialog.querySelector("form");
  const button = form.querySelector("[data-confirm]");
  const alert = form.querySelector("[role=alert]");
  const { confirmation } = form.elements;
  const isConfirmed = () => confirmation.value.trim().toLowerCase() === expected();
  confirmation.addEventListener("input", () => { button.disabled = !isConfirmed(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!isConfirmed()) return;
    alert.hidden = true;
    button.disabled = true;
    try {
      const message = await ACTIONS[dialog.dataset.action](target(), form.elements);
      if (message) done(message);
      else dialog.close();
    } catch (problem) {
      alert.textContent = problem.message;
      alert.hidden = false;
      button.disabled = false;
    }
  });
  return () => {
    form.reset();
    alert.hidden = button.disabled = true;
    for (const place of dialog.querySelectorAll("[data-number]")) place.textContent = title();
    dialog.querySelector("[data-expected]").textContent = expected();
    dialog.showModal();
    confirmation.focus();
  };
}
