// The page that synchronises mailboxes with a Workspace: the form, its preview, and what was then done.

import { post } from "./api.js";
import { clearErrors, fillZones, number, showErrors } from "./forms.js";
import { PagedTable, element } from "./paged-table.js";
import { plural } from "./plural.js";

const DONE = { add: "added", pause: "paused", tag: "tagged" };

const at = (id) => document.querySelector(`#${id}`);
const form = at("sync-form");
let request = {};

class SyncTable extends PagedTable {
  fill({ mailboxes, counts, applied }) {
    this.applied = applied;
    this.show(mailboxes.map((entry) => ({ ...entry, outcome: entry.error ? "failed" : entry.effect })), counts);
    at("mailboxes-card").hidden = mailboxes.length === 0;
  }

  row(entry) {
    const chip = this.chip(`outcome-${entry.outcome}`);
    const label = chip.querySelector("[data-done]");
    if (this.applied) label.textContent = label.dataset.done;
    const text = entry.error || entry.reason;
    const what = element("td", { role: "cell", className: "what" }, chip);
    if (text) what.append(element("p", { className: "reason" }, text));
    const row = element("tr", { role: "row" }, this.who(entry.address), what);
    row.dataset.outcome = entry.outcome;
    return row;
  }
}

function lines(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}

function read() {
  const values = Object.fromEntries(new FormData(form));
  const lists = { org_units: lines(values.org_units), groups: lines(values.groups) };
  return { ...values, ...lists, daily_target: number(values.daily_target) };
}

function showProgress(text) {
  for (const line of document.querySelectorAll("[data-progress]")) line.textContent = text;
}

async function busy(button, act, refuse) {
  button.disabled = true;
  showProgress("The directory is read; this takes up to a minute.");
  try {
    await act();
  } catch (problem) {
    refuse(problem);
  } finally {
    button.disabled = false;
    showProgress("");
  }
}

async function preview() {
  clearErrors(form, at("sync-error"));
  request = read();
  reveal(await post("mailboxes/sync", request));
}

async function apply() {
  at("preview-alert").hidden = true;
  reveal(await post("mailboxes/sync", { ...request, apply: true }));
}

function reveal(found) {
  at("choose").hidden = true;
  at("preview").hidden = false;
  at("preview-alert").hidden = true;
  table.fill(found);
  const { counts, applied, more } = found;
  const changes = counts.add + counts.pause + counts.tag;
  at("preview-title").textContent = applied ? "Result" : "Preview";
  at("verdict").textContent = [
    applied ? describeDone(counts, changes) : describePlan(counts, changes),
    counts.unchanged && `${plural(counts.unchanged, "mailbox")} stay${counts.unchanged === 1 ? "s" : ""} as before.`,
    more && `And ${plural(more, "mailbox")} more, which are not listed.`,
  ].filter(Boolean).join(" ");
  for (const label of document.querySelectorAll("[data-planned]")) {
    label.textContent = applied ? label.dataset.after : label.dataset.planned;
  }
  at("failed-counter").hidden = !applied;
  at("apply-button").hidden = applied || !changes;
  at("show-mailboxes").hidden = !applied;
  at("preview-title").focus();
}

function describePlan(counts, changes) {
  return changes ? "Nothing was changed yet." : "There is nothing to change.";
}

function describeDone(counts, changes) {
  const parts = Object.keys(DONE).filter((name) => counts[name]).map((name) => `${counts[name].toLocaleString()} ${DONE[name]}`);
  const done = changes ? `Done: ${parts.join(", ")}.` : "Nothing was changed.";
  return counts.failed ? `${done} ${plural(counts.failed, "mailbox")} failed; the table has the reason.` : done;
}

function showProblem(problem) {
  showErrors(form, at("sync-error"), problem);
  if (!at("sync-error").hidden) at("sync-error").scrollIntoView({ block: "nearest" });
}

function showAlert(problem) {
  at("preview-alert").textContent = problem.message;
  at("preview-alert").hidden = false;
  at("preview-alert").scrollIntoView({ block: "nearest" });
}

const table = form && new SyncTable(document);
if (form) {
  fillZones(at("zones"));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) form.elements.timezone.value = zone;
}
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(at("preview-button"), preview, showProblem);
});
at("apply-button")?.addEventListener("click", () => busy(at("apply-button"), apply, showAlert));
at("again")?.addEventListener("click", () => {
  at("preview").hidden = true;
  at("choose").hidden = false;
  form.elements.admin.focus();
});
