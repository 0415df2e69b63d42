// Shared by the pages: start consents, pause, resume, leave the frame, local times.

import { addForm } from "./add.js";
import { post } from "./api.js";
import { framed, leave } from "./leave.js";
import { startQueue } from "./repairs.js";
import { localTimes } from "./times.js";

function showProblem(message) {
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
        await act(button.getAttribute(`data-${attribute}`));
      } catch (problem) {
        showProblem(problem.message);
        button.disabled = false;
      }
    });
  }
}

localTimes();
onEach("reauth", async (address) => leave((await post("consents", { address, purpose: "reauth" })).url));
onEach("repairs", async (filter) => startQueue("repairs", { filter: JSON.parse(filter) }));
onEach("sign-in", async (address) => leave((await post("repairs/sign-in", address ? { address } : {})).url));
onEach("skip", async (address) => {
  await post("repairs/skip", { address });
  location.reload();
});
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
// A page restored from the browser's cache still has its buttons disabled.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

function showTab() {
  const tab = document.querySelector(".tabs [aria-current]");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
}
showTab();
addEventListener("resize", showTab);

const shellLink = document.querySelector(".shell-link");
if (shellLink?.getAttribute("href") && !framed()) {
  shellLink.href += location.pathname + location.search; // the shell shows the path after its own route in its frame
  shellLink.hidden = false;
}

const dialog = document.querySelector("#add");
if (dialog) addForm(dialog);
