// The page of the OAuth clients: register, change, retire and reopen one, and move mailboxes to it.

import { get, post } from "./api.js";
import { formDialog, showMessage } from "./dialogs.js";
import { number } from "./forms.js";
import { offerUsed } from "./offers.js";
import { startQueue } from "./repairs.js";
import { counted } from "./selection.js";

const find = (name) => document.getElementById(`client-${name}`);
let client = ""; // of the dialog that is open

function name(dialog, opener) {
  client = opener.dataset.client;
  dialog.querySelector("[data-name]").textContent = client;
}

function confirmation(dialog, path, verb) {
  const act = async () => {
    await post(path, { conn_id: client });
    return `${client} is ${verb}.`;
  };
  formDialog(dialog, act, (form, opener) => name(dialog, opener));
}

function settings(dialog) {
  const { conn_id: connection, user_limit: limit, tags } = dialog.querySelector("form").elements;
  const act = async () => {
    const conn = connection.value.trim();
    const parts = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    await post("clients", { conn_id: conn, user_limit: number(limit.value), tags: parts });
    return `${conn} is saved.`;
  };
  formDialog(dialog, act, (form, { dataset }) => {
    dialog.querySelector("h2").textContent = dataset.client ? `Change ${dataset.client}` : "Register a client";
    connection.value = dataset.client ?? "";
    connection.readOnly = Boolean(dataset.client);
    limit.value = dataset.limit ?? "";
    tags.value = dataset.tags ?? "";
  });
}

function move(dialog) {
  const form = dialog.querySelector("form");
  const { by, client: source } = form.elements;
  const preview = dialog.querySelector("#move-preview");
  const button = form.querySelector("button:not([type])");
  const filter = () => ({ [by.value]: form.elements[by.value].value.trim() });
  let newest = 0; // an answer to an earlier selection is ignored

  async function show() {
    for (const field of form.querySelectorAll("[data-by]")) field.hidden = field.dataset.by !== by.value;
    const selected = filter();
    const asked = ++newest;
    button.disabled = true;
    button.textContent = "Start";
    preview.textContent = "";
    if (!selected[by.value]) return;
    const query = new URLSearchParams({ conn_id: client, ...selected });
    const found = await get(`clients/move?${query}`).catch((problem) => ({ problem: problem.message }));
    if (asked !== newest) return;
    preview.textContent = found.problem || describe(found);
    if (found.problem) return;
    button.disabled = false;
    button.textContent = `Start (${found.queued.toLocaleString("en")})`;
  }

  form.addEventListener("change", show);
  offerUsed(form.elements.tag, "tags");
  offerUsed(form.elements.domain, "domains");
  formDialog(dialog, () => startQueue("clients/move", { conn_id: client, filter: filter() }), (_, opener) => {
    name(dialog, opener);
    for (const option of source.options) option.hidden = option.disabled = option.value === client;
    source.value = [...source.options].find((option) => !option.disabled).value;
    show();
  });
}

function describe({ queued, new_users: added, places_left: left, note }) {
  const places = left === null ? "" : ` ${added.toLocaleString("en")} of them take a place; ${left.toLocaleString("en")} are left.`;
  return `${counted(queued)} will be moved.${places} ${note}`.trim();
}

showMessage();
if (find("set")) settings(find("set"));
if (find("retire")) confirmation(find("retire"), "clients/retire", "retired");
if (find("reopen")) confirmation(find("reopen"), "clients/reopen", "open again");
if (find("move")) move(find("move"));
