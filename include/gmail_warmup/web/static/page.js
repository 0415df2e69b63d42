// What the pages do beyond being read: start consents, pause, resume.

import { addForm } from "./add.js";
import { post } from "./api.js";
import { framed, leave } from "./leave.js";
import { localTimes } from "./times.js";

function complain(message) {
  const box = document.querySelector("#alert");
  if (!box) return;
  box.textContent = message;
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}

function onEach(attribute, act) {
  for (const button of document.querySelectorAll(`[data-${attribute}]`)) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await act(button.dataset[attribute]);
      } catch (problem) {
        complain(problem.message);
        button.disabled = false;
      }
    });
  }
}

localTimes();
onEach("reauth", async (address) => leave((await post("consents", { address, purpose: "reauth" })).url));
onEach("pause", async (address) => {
  await post("mailboxes/pause", { addresses: [address] });
  location.reload();
});
onEach("resume", async (address) => {
  await post("mailboxes/resume", { addresses: [address] });
  location.reload();
});

for (const link of document.querySelectorAll("a[data-leave]")) {
  link.addEventListener("click", (event) => {
    if (!framed()) return;
    event.preventDefault();
    leave(link.href);
  });
}
for (const choice of document.querySelectorAll("[data-submit]")) {
  choice.addEventListener("change", () => choice.form.requestSubmit());
}
// A page that the browser kept shows buttons as they were left: pressed.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const shellLink = document.querySelector(".shell-link");
if (shellLink?.getAttribute("href") && !framed()) shellLink.hidden = false;

const dialog = document.querySelector("#add");
if (dialog) addForm(dialog);
