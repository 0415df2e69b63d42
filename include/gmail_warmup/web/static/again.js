// After a refused consent: start the same consent again, accept another address of the account, or open the same invite.

import { post } from "./api.js";

function follow(button, request) {
  if (!button) return;
  button.disabled = false;
  button.addEventListener("click", async () => {
    const box = document.querySelector("#alert");
    box.hidden = true;
    button.disabled = true;
    try {
      location.assign((await request()).url);
    } catch (problem) {
      box.textContent = problem.message;
      box.hidden = false;
      button.disabled = false;
    }
  });
}

const again = document.querySelector("#again");
follow(again, () => post(again.dataset.path, JSON.parse(again.dataset.request)));
const accept = document.querySelector("#accept");
follow(accept, () => post(`consents/${accept.dataset.consent}/accept`, {}));

const reopen = document.querySelector("#reopen");
const link = sessionStorage.getItem("invite") ?? "";
if (reopen && /^#[\w-]{43}$/.test(link)) {
  reopen.href += link;
  reopen.hidden = false;
}
