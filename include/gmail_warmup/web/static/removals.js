// The list of removals: continue one that waits.

import { post } from "./api.js";

for (const button of document.querySelectorAll("[data-continue]")) {
  button.addEventListener("click", async () => {
    const box = document.querySelector("#alert");
    box.hidden = true;
    button.disabled = true;
    try {
      await post(`removals/${button.dataset.continue}/continue`, {});
      location.reload();
    } catch (problem) {
      box.textContent = problem.message;
      box.hidden = false;
      button.disabled = false;
    }
  });
}
