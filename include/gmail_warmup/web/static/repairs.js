// Start and continue the repair queue.

import { post } from "./api.js";
import { leave } from "./leave.js";

const PENDING = "gmail-warmup-consent";

// Show the page of the queue before Google's page, so that the browser's Back button returns to it.
export async function startRepairs(filter) {
  const { url } = await post("repairs", { filter });
  sessionStorage.setItem(PENDING, url);
  location.assign(`${document.body.dataset.root}repairs`);
}

const pending = sessionStorage.getItem(PENDING);
if (document.querySelector("#queue") && pending) {
  sessionStorage.removeItem(PENDING);
  // Airflow's shell copies the address of the frame when it has loaded.
  addEventListener("load", () => setTimeout(() => leave(pending), 50));
}
