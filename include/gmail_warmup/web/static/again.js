// After a refused consent: start the same consent again, accept another address of the account, or open the same invite.

import { post } from "./api.js";

const again = document.querySelector("#again");
if (again) again.disabled = false;
again?.addEventListener("click", async () => {
  const box = document.querySelector("#alert");
  box.hidden = true;
  again.disabled = true;
  try {
    location.assign((await post("consents", JSON.parse(again.dataset.request))).url);
  } catch (problem) {
    box.textContent = problem.message;
    box.hidden = false;
    again.disabled = false;
  }
});

const accept = document.querySelector("#accept");
if (accept) accept.disabled = false;
accept?.addEventListener("click", async () => {
  const box = document.querySelector("#alert");
  box.hidden = true;
  accept.disabled = true;
  try {
    location.assign((await post(`consents/${accept.dataset.consent}/accept`, {})).url);
  } catch (problem) {
    box.textContent = problem.message;
    box.hidden = false;
    accept.disabled = false;
  }
});

const reopen = document.querySelector("#reopen");
const link = sessionStorage.getItem("invite") ?? "";
if (reopen && /^#[\w-]{43}$/.test(link)) {
  reopen.href += link;
  reopen.hidden = false;
}
