// The form for a new mailbox: checked by the server, which says next to each field what rule was broken.

import { post } from "./api.js";
import { leave } from "./leave.js";

const NUMBERS = ["daily_target", "open_rate", "reply_rate"];

export function addForm(dialog) {
  const form = dialog.querySelector("form");
  fillZones(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form);
  });
  dialog.querySelector("#cancel-add").addEventListener("click", () => dialog.close());
  const open = () => {
    dialog.showModal();
    form.elements.address.focus();
  };
  for (const button of document.querySelectorAll("#open-add, [data-open-add]")) button.addEventListener("click", open);
  if (dialog.dataset.address) form.elements.address.value = dialog.dataset.address;
}

function fillZones(form) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own) form.elements.timezone.value = own;
  const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
  form.querySelector("#zones").append(...zones.map((zone) => new Option(zone, zone)));
}

function settings(form) {
  const values = Object.fromEntries(new FormData(form));
  delete values.address;
  // What is not a number goes out as it was typed: the server explains the rule.
  for (const name of NUMBERS) values[name] = values[name].trim() === "" ? null : Number(values[name]);
  if (!values.display_name) delete values.display_name;
  return values;
}

async function submit(form) {
  const button = form.querySelector("#submit-add");
  show(form, []);
  button.disabled = true;
  try {
    const body = { address: form.elements.address.value, purpose: "add", settings: settings(form) };
    leave((await post("consents", body)).url);
  } catch (problem) {
    show(form, problem.errors ?? [], problem.message);
    button.disabled = false;
  }
}

function show(form, errors, message) {
  const unplaced = [];
  for (const line of form.querySelectorAll(".error")) line.hidden = true;
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  for (const { field, message: rule } of errors) {
    const line = form.querySelector(`[id="${CSS.escape(field)}-error"]`);
    if (!line) {
      unplaced.push(`${field} ${rule}`);
      continue;
    }
    line.textContent = rule;
    line.hidden = false;
    const input = form.elements[field];
    if (input instanceof HTMLElement) input.setAttribute("aria-invalid", "true");
  }
  const box = form.querySelector("#add-error");
  const text = errors.length ? unplaced.join("; ") : message ?? "";
  box.textContent = text;
  box.hidden = !text;
  form.querySelector("[aria-invalid]")?.focus();
}
