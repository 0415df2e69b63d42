// What the page of one mailbox does beyond being read: settings, pause with a reason, invites, charts.

import { post } from "./api.js";
import { drawCharts } from "./charts.js";
import { copy } from "./copy.js";
import { clearErrors, fillZones, number, showErrors } from "./forms.js";
import { setTime } from "./times.js";

const address = document.querySelector("#mailbox").dataset.address;
const NUMBERS = ["daily_target", "open_rate", "reply_rate"];
const TEXTS = ["display_name", "signature"];
const LIST = "gmail-warmup-list";
const SAID = "gmail-warmup-said";

// The list as it was left, with its search and filters, also after pages of the history in between.
function keepList(link) {
  const came = document.referrer && new URL(document.referrer);
  if (came && came.origin === location.origin && came.pathname === new URL(link.href).pathname) {
    sessionStorage.setItem(LIST, came.search);
  }
  link.search = sessionStorage.getItem(LIST) ?? "";
}

function reloadAndSay(sentence) {
  sessionStorage.setItem(SAID, sentence);
  location.reload();
}

function say() {
  const sentence = sessionStorage.getItem(SAID);
  if (!sentence) return;
  sessionStorage.removeItem(SAID);
  const box = document.querySelector("#saved");
  box.hidden = false;
  box.querySelector("p").textContent = sentence;
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
    setTimeout(show); // the fields have their former values after the event
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = changes();
    for (const name of NUMBERS) if (name in values) values[name] = number(values[name]);
    for (const name of TEXTS) if (values[name] === "") values[name] = null;
    save.disabled = true;
    try {
      await post("mailboxes/change", { addresses: [address], changes: values });
      reloadAndSay("The settings are saved.");
    } catch (problem) {
      showErrors(form, error, problem);
      save.disabled = false;
    }
  });
  fillZones(form.querySelector("#zones"));
  show();
}

function pauseDialog(dialog) {
  const form = dialog.querySelector("form");
  const error = dialog.querySelector("#pause-error");
  document.querySelector("#ask-pause").addEventListener("click", () => {
    clearErrors(form, error);
    dialog.showModal();
    form.elements.reason.focus();
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("mailboxes/pause", { addresses: [address], reason: form.elements.reason.value.trim() });
      reloadAndSay("The mailbox is paused.");
    } catch (problem) {
      showErrors(form, error, problem);
    }
  });
}

function complain(problem) {
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
      complain(problem);
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
        reloadAndSay("The invite is revoked; its link does not work any more.");
      } catch (problem) {
        complain(problem);
        button.disabled = false;
      }
    });
  }
}

function requalifying(button) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post("mailboxes/requalify", { addresses: [address] });
      reloadAndSay("The mailbox may send a small fresh sample.");
    } catch (problem) {
      complain(problem);
      button.disabled = false;
    }
  });
}

// The shell shows what follows its own route: this page, with its shell around it.
function keepPage(link) {
  if (link.getAttribute("href")) link.href += location.pathname + location.search;
}

keepPage(document.querySelector(".shell-link"));
keepList(document.querySelector("#back"));
say();
const [form, dialog, section] = ["#settings", "#pause", "#invite"].map((name) => document.querySelector(name));
if (form) settingsForm(form);
if (dialog) pauseDialog(dialog);
if (section) invites(document.querySelector("#invites"));
const requalify = document.querySelector("#requalify");
if (requalify) requalifying(requalify);
drawCharts();
