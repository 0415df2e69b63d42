// The form for a new mailbox. The server validates it; each field shows the rule that it breaks.

import { post } from "./api.js";
import { copy } from "./copy.js";
import { clearErrors, fillZones, number, showErrors } from "./forms.js";
import { leave } from "./leave.js";
import { setTime } from "./times.js";

const NUMBERS = ["daily_target"];

export function addForm(dialog) {
  const form = dialog.querySelector("form");
  fillZones(form.querySelector("#zones"));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) form.elements.timezone.value = zone;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form, form.elements.delegated.checked ? addDelegated : goToGoogle);
  });
  form.querySelector("#invite-add").addEventListener("click", () => submit(form, createInvite));
  form.elements.delegated.addEventListener("change", ({ target }) => {
    form.querySelector("#invite-add").hidden = target.checked;
    form.querySelector("#submit-add").textContent = target.checked ? "Add mailbox" : "Continue to Google";
  });
  dialog.querySelector("#cancel-add").addEventListener("click", () => dialog.close());
  const open = ({ currentTarget }) => {
    const kind = currentTarget.dataset.openAdd; // the first mailbox of an installation belongs to the pool
    if (kind) form.elements.kind.value = kind;
    dialog.showModal();
    form.elements.address.focus();
  };
  for (const button of document.querySelectorAll("#open-add, [data-open-add]")) button.addEventListener("click", open);
  if (dialog.dataset.address) form.elements.address.value = dialog.dataset.address;
}

function settings(form) {
  const values = Object.fromEntries(new FormData(form));
  delete values.address;
  if (values.delegated) values.auth = "delegated";
  delete values.delegated;
  for (const name of NUMBERS) values[name] = number(values[name]);
  if (!values.display_name) delete values.display_name;
  return values;
}

async function submit(form, finish) {
  const buttons = form.querySelectorAll("#submit-add, #invite-add");
  const error = form.querySelector("#add-error");
  clearErrors(form, error);
  for (const button of buttons) button.disabled = true;
  try {
    await finish({ address: form.elements.address.value, settings: settings(form) });
  } catch (problem) {
    showErrors(form, error, problem);
    for (const button of buttons) button.disabled = false;
  }
}

async function goToGoogle(mailbox) {
  leave((await post("consents", { ...mailbox, purpose: "add" })).url);
}

async function addDelegated(mailbox) {
  await post("mailboxes", mailbox);
  location.reload();
}

async function createInvite(mailbox) {
  const { address } = await post("mailboxes", mailbox);
  const { invites } = await post("invites", { addresses: [address] });
  showLink(document.querySelector("#add"), invites[0]);
}

// The link is shown only here, so it replaces the form until the dialog is closed.
function showLink(dialog, invite) {
  const part = (id) => dialog.querySelector(`#${id}`);
  part("added-address").textContent = invite.address;
  setTime(part("added-until"), invite.expires_at);
  part("added-url").value = invite.url;
  part("added-copy").addEventListener("click", async () => {
    part("added-copied").textContent = (await copy(part("added-url"))) ? "Copied." : "Press Ctrl-C to copy it.";
  });
  part("added-done").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => location.reload());
  dialog.setAttribute("aria-labelledby", "added-title");
  part("add-form").hidden = true;
  part("added").hidden = false;
  part("added-title").focus();
}
