// The buttons that download the settings of all mailboxes.

import { file } from "./api.js";
import { save } from "./save.js";

for (const button of document.querySelectorAll("[data-export]")) {
  button.addEventListener("click", async () => {
    const alert = document.querySelector("#export-error");
    const format = button.dataset.export;
    alert.hidden = true;
    button.disabled = true;
    try {
      save(await file("export", { filter: {}, format }), `gmail-accounts.${format}`);
    } catch (problem) {
      alert.textContent = problem.message;
      alert.hidden = false;
    }
    button.disabled = false;
  });
}
