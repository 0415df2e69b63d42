// The page of one mailbox: settings, pause with a reason, invites, charts.

import { post } from "./api.js";
import { drawCharts } from "./charts.js";
import { typedConfirmation } from "./confirm.js";
import { copy } from "./copy.js";
import { formDialog, leaveWith, reloadWith, showMessage } from "./dialogs.js";
import { clearErrors, fillZones, number, showErrors } from "./forms.js";
import { setTime } from "./times.js";

const address = document.querySelector("#mailbox").dataset.address;
const NUMBERS = ["daily_target"];
const TEXTS = ["display_name", "signature", "owner_email"];
const LIST = "gmail-warmup-list";

// Link back to the list with its last search and filters, also after paging through the history.
function restoreList(link) {
  const referrer = document.referrer && new URL(document.referrer);
  if (referrer && referrer.origin === location.origin && referrer.pathname === new URL(link.href).pathname) {
    sessionStorage.setItem(LIST, referrer.search);
  }
  link.search = sessionStorage.getItem(LIST) ?? "";
}

function settingsForm(form) {
  const [save, undo] = form.querySelectorAll(".actions button");
  const unsaved = form.querySelector("#unsaved");
  const error = form.querySelector("#settings-error");
  const before = Object.fromEntries(new FormData(form));
  const changes = () => {
    const now = Object.fromEntries(new FormData(form));
    return Object.fromEntries(Object.entries(now).filter(([name, value]) => value !== before[name]));
  };
  const show = () => {
    const count = Object.keys(changes()).length;
    save.disabled = undo.disabled = !count;
    unsaved.textContent = count ? `${count} unsaved change${count > 1 ? "s" : ""}` : "";
    form.classList.toggle("unsaved", count > 0);
  };
  form.addEventListener("input", show);
  form.addEventListener("reset", () => {
    clearErrors(form, error);
    setTimeout(show); // the fields are reset after the event
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = changes();
    for (const name of NUMBERS) if (name in values) values[name] = number(values[name]);
    for (const name of TEXTS) if (values[name] === "") values[name] = null;
    save.disabled = true;
    try {
      await post("mailboxes/change", { addresses: [address], changes: values });
      reloadWith("Settings saved.");
    } catch (problem) {
      showErrors(form, error, problem);
      save.disabled = false;
    }
  });
  fillZones(form.querySelector("#zones"));
  show();
}

async function pause({ elements: { reason, until } }) {
  await post("mailboxes/pause", { addresses: [address], reason: reason.value.trim(), until: until.value || null });
  return "The mailbox is paused.";
}

async function rename({ elements: { new_address: input, check } }) {
  const body = { address, new_address: input.value.trim(), check: check.checked };
  const renamed = (await post("mailboxes/rename", body)).address;
  const path = encodeURI(renamed).replace(/[?#]/g, encodeURIComponent); // encodeURI keeps both
  leaveWith(`Renamed. The mailbox was ${address} before.`, `${document.body.dataset.root}mailboxes/${path}`);
}

function showProblem(problem) {
  const box = document.querySelector("#alert");
  box.textContent = problem.message;
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

function invites(section) {
  const hint = section.querySelector("#link-copied");
  const field = section.querySelector("#link-url");
  section.querySelector("#invite").addEventListener("click", async (event) => {
    event.target.disabled = true;
    try {
      const [invite] = (await post("invites", { addresses: [address] })).invites;
      field.value = invite.url;
      setTime(section.querySelector("#link-until"), invite.expires_at);
      section.querySelector("#link").hidden = false;
      field.select();
    } catch (problem) {
      showProblem(problem);
      event.target.disabled = false;
    }
  });
  section.querySelector("#copy").addEventListener("click", async () => {
    hint.textContent = (await copy(field)) ? "Copied." : "Press Ctrl-C to copy it.";
  });
  for (const button of section.querySelectorAll("[data-revoke]")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await post(`invites/${button.dataset.revoke}/revoke`, {});
        reloadWith("The invite is revoked; its link no longer works.");
      } catch (problem) {
        showProblem(problem);
        button.disabled = false;
      }
    });
  }
}

function confirmations(...names) {
  for (const name of names) {
    const dialog = document.querySelector(`#${name}`);
    const open = typedConfirmation(dialog, {
      target: () => ({ addresses: [address] }),
      expected: () => address,
      title: () => address,
      done: (message) => leaveWith(message, document.querySelector("#back").href),
    });
    document.querySelector(`#ask-${name}`).addEventListener("click", open);
    dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  }
}

function addRequalify(button) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("mailboxes/requalify", { addresses: [address] });
      reloadWith("The mailbox may send a small fresh sample.");
    } catch (problem) {
      showProblem(problem);
      button.disabled = false;
    }
  });
}

restoreList(document.querySelector("#back"));
showMessage();
const [form, section] = ["#settings", "#invite"].map((name) => document.querySelector(name));
if (form) settingsForm(form);
for (const [id, act] of Object.entries({ pause, rename })) {
  const dialog = document.getElementById(id);
  if (dialog) formDialog(dialog, act);
}
if (section) invites(document.querySelector("#invites"));
if (document.querySelector("#remove")) confirmations("remove", "export-data");
const requalify = document.querySelector("#requalify");
if (requalify) addRequalify(requalify);
drawCharts();
