// The list of invites: revoke an invite.

import { post } from "./api.js";

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.addEventListener("click", async () => {
    const box = document.querySelector("#alert");
    box.hidden = true;
    button.disabled = true;
    try {
      await post(`invites/${button.dataset.revoke}/revoke`, {});
      location.reload();
    } catch (problem) {
      box.textContent = problem.message;
      box.hidden = false;
      button.disabled = false;
    }
  });
}
