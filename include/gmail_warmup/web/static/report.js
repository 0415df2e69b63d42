// The weekly report: create a link that needs no login, and revoke one.

import { post } from "./api.js";
import { copy } from "./copy.js";

const box = document.querySelector("#alert");

async function attempt(button, act) {
  box.hidden = true;
  button.disabled = true;
  try {
    await act();
  } catch (problem) {
    box.textContent = problem.message;
    box.hidden = false;
  }
  button.disabled = false;
}

const share = document.querySelector("[data-share]");
share?.addEventListener("click", () =>
  attempt(share, async () => {
    const { url } = await post("report-links", { ...JSON.parse(share.dataset.share), week: share.dataset.week });
    const made = document.querySelector("#made");
    made.value = url;
    made.closest("[hidden]")?.removeAttribute("hidden");
    made.select();
  }),
);

document.querySelector("#copy")?.addEventListener("click", async ({ currentTarget: button }) => {
  button.textContent = (await copy(document.querySelector("#made"))) ? "Copied" : "Press Ctrl-C";
});

for (const button of document.querySelectorAll("[data-revoke]")) {
  button.addEventListener("click", () =>
    attempt(button, async () => {
      await post(`report-links/${button.dataset.revoke}/revoke`, {});
      location.reload();
    }),
  );
}
