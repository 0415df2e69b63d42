// The list: bulk actions on the selected mailboxes, and the filters.

import { typedConfirmation } from "./confirm.js";
import { editForm } from "./edit.js";
import { reloadWith, showMessage } from "./dialogs.js";
import { file, post } from "./api.js";
import { invite } from "./links.js";
import { offerUsed } from "./offers.js";
import { save } from "./save.js";
import { Selection, counted } from "./selection.js";

function offerChoices(input, path) {
  offerUsed(input, path);
  input.addEventListener("change", () => input.form.requestSubmit());
}

// Leave empty fields out of the URL.
function keepAddressShort(form) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });
}

function problemBox(dialog, message) {
  const box = dialog.querySelector("[role=alert]");
  box.textContent = message;
  box.hidden = !message;
}

// A dialog that confirms a change of the selected mailboxes. The message that `act` returns is shown after a reload.
function confirmWith(dialog, selection, act) {
  const form = dialog.querySelector("form");
  const button = form.querySelector(".primary");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problemBox(dialog, "");
    button.disabled = true;
    try {
      const message = await act(form);
      if (message) reloadWith(message);
    } catch (problem) {
      const unplaced = showFieldErrors(form, problem.errors ?? []);
      problemBox(dialog, problem.errors?.length ? unplaced.join("; ") : problem.message);
    }
    button.disabled = false;
  });
  return () => {
    showFieldErrors(form, []);
    problemBox(dialog, "");
    for (const place of dialog.querySelectorAll("[data-number]")) place.textContent = counted(selection.size);
    dialog.showModal();
  };
}

// Show each error next to its field, and return the others.
function showFieldErrors(form, errors) {
  for (const line of form.querySelectorAll("[data-error]")) line.hidden = true;
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  const unplaced = [];
  for (const { field, message } of errors) {
    const line = form.querySelector(`[data-error="${CSS.escape(field)}"]`);
    if (!line) {
      unplaced.push(`${field} ${message}`.trim());
      continue;
    }
    line.textContent = message;
    line.hidden = false;
    form.elements[field].setAttribute("aria-invalid", "true");
  }
  form.querySelector("[aria-invalid]")?.focus();
  return unplaced;
}

function addBulkActions(bar) {
  const selection = new Selection(bar);
  const find = (name) => document.querySelector(`#bulk-${name}`);
  const change = async (verb, body, result) => {
    const { changed } = await post(`mailboxes/${verb}`, { ...selection.body, ...body });
    return `${counted(changed)} ${result}.`;
  };
  const open = { export: () => exportSelected(selection) };
  if (find("pause")) {
    open.pause = confirmWith(find("pause"), selection, (form) => {
      const reason = form.elements.reason.value.trim();
      return change("pause", { ...(reason && { reason }), until: form.elements.until.value || null }, "paused");
    });
    open.resume = confirmWith(find("resume"), selection, () => change("resume", {}, "resumed"));
    open.invite = confirmWith(find("invite"), selection, () => invite(find("invite"), selection));
  }
  if (find("edit")) {
    const edit = editForm(find("edit").querySelector("form"));
    const openDialog = confirmWith(find("edit"), selection, () => change("change", { changes: edit.changes }, "changed"));
    open.edit = () => {
      openDialog();
      edit.begin(selection.settings);
    };
    const options = {
      target: () => selection.body,
      expected: () => (selection.size > 1 ? String(selection.size) : selection.addresses[0]),
      title: () => counted(selection.size),
      done: reloadWith,
    };
    open.remove = typedConfirmation(document.querySelector("#remove"), options);
    open.data = typedConfirmation(document.querySelector("#export-data"), options);
  }
  for (const button of bar.querySelectorAll("[data-bulk]")) {
    button.addEventListener("click", () => open[button.dataset.bulk]());
  }
}

async function exportSelected(selection) {
  const alert = document.querySelector("#alert");
  alert.hidden = true;
  try {
    save(await file("export", { format: "csv", ...selection.target }), "gmail-accounts.csv");
  } catch (problem) {
    alert.textContent = problem.message;
    alert.hidden = false;
    alert.scrollIntoView({ block: "nearest" });
  }
}

// The link of each row takes the focus. Arrow keys move between rows, Enter opens the row that has the focus.
function addRowKeys(table) {
  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const opens = event.key === "Enter" && !event.target.matches("a, button");
    if (!step && !opens) return;
    event.preventDefault();
    const link = (step ? row[step] : row)?.querySelector("a.address");
    if (opens) link.click();
    else link?.focus();
  });
}

showMessage();
const table = document.querySelector("#list");
if (table) addRowKeys(table);
const filters = document.querySelector("#filters");
if (filters) {
  keepAddressShort(filters);
  offerChoices(filters.elements.domain, "domains");
  offerChoices(filters.elements.tag, "tags");
}
const bar = document.querySelector("#bulk");
if (bar) addBulkActions(bar);
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
