// The list: what is selected, and what can be done with it.

import { editForm } from "./edit.js";
import { file, get, post } from "./api.js";
import { invite } from "./links.js";
import { Selection, counted } from "./selection.js";

const DONE = "gmail-warmup-done";

function once() {
  const said = sessionStorage.getItem(DONE);
  sessionStorage.removeItem(DONE);
  const box = document.querySelector("#done");
  if (!said || !box) return;
  box.textContent = said;
  box.hidden = false;
}

function reload(said) {
  sessionStorage.setItem(DONE, said);
  location.reload();
}

// The domains cost a look at all mailboxes, so they are asked for when somebody wants to choose one.
function offerDomains(input) {
  input.addEventListener("focus", async () => {
    const { domains } = await get("domains").catch(() => ({ domains: [] }));
    input.list.replaceChildren(...domains.map(({ domain, mailboxes }) => new Option(counted(mailboxes), domain)));
  }, { once: true });
  input.addEventListener("change", () => input.form.requestSubmit());
}

// What was left empty need not stand in the address.
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

// A dialog that asks before a change of what is selected. What `act` returns is said after the page was loaded anew.
function asking(dialog, selection, act) {
  const form = dialog.querySelector("form");
  const button = form.querySelector(".primary");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problemBox(dialog, "");
    button.disabled = true;
    try {
      const said = await act(form);
      if (said) reload(said);
    } catch (problem) {
      const unplaced = placed(form, problem.errors ?? []);
      problemBox(dialog, problem.errors?.length ? unplaced.join("; ") : problem.message);
    }
    button.disabled = false;
  });
  return () => {
    placed(form, []);
    problemBox(dialog, "");
    for (const place of dialog.querySelectorAll("[data-number]")) place.textContent = counted(selection.size);
    dialog.showModal();
  };
}

// Shows each error beside its field; returns those that have none.
function placed(form, errors) {
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

function changing(bar) {
  const selection = new Selection(bar);
  const find = (name) => document.querySelector(`#bulk-${name}`);
  const change = async (verb, body, said) => {
    const { changed } = await post(`mailboxes/${verb}`, { ...selection.body, ...body });
    return `${counted(changed)} ${said}.`;
  };
  const open = { export: () => exporting(selection) };
  if (find("pause")) {
    open.pause = asking(find("pause"), selection, (form) => {
      const reason = form.elements.reason.value.trim();
      return change("pause", reason ? { reason } : {}, "paused");
    });
    open.resume = asking(find("resume"), selection, () => change("resume", {}, "resumed"));
    const edit = editForm(find("edit").querySelector("form"));
    const ask = asking(find("edit"), selection, () => change("change", { changes: edit.changes }, "changed"));
    open.edit = () => {
      ask();
      edit.begin(selection.settings);
    };
    open.invite = asking(find("invite"), selection, () => invite(find("invite"), selection));
  }
  for (const button of bar.querySelectorAll("[data-bulk]")) {
    button.addEventListener("click", () => open[button.dataset.bulk]());
  }
}

async function exporting(selection) {
  const alert = document.querySelector("#alert");
  alert.hidden = true;
  try {
    const query = new URLSearchParams({ format: "csv", ...selection.filter });
    const { addresses } = selection;
    save(selection.all ? await file(`export?${query}`) : await file("export", { format: "csv", addresses }));
  } catch (problem) {
    alert.textContent = problem.message;
    alert.hidden = false;
    alert.scrollIntoView({ block: "nearest" });
  }
}

function save(blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "gmail-accounts.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it after this has returned
}

once();
const filters = document.querySelector("#filters");
if (filters) {
  keepAddressShort(filters);
  offerDomains(filters.elements.domain);
}
const bar = document.querySelector("#bulk");
if (bar) changing(bar);
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}
