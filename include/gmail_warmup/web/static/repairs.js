// Start and continue the repair queue.

import { post } from "./api.js";
import { leave } from "./leave.js";

const PENDING = "gmail-warmup-consent";

// Show the page of the queue before Google's page, so that the browser's Back button returns to it.
// `path` is the request that starts the queue: of repairs, or of a move to another OAuth client.
export async function startQueue(path, body) {
  const { url } = await post(path, body);
  sessionStorage.setItem(PENDING, url);
  location.assign(`${document.body.dataset.root}repairs`);
}

const pending = sessionStorage.getItem(PENDING);
if (document.querySelector("#queue") && pending) {
  sessionStorage.removeItem(PENDING);
  // Airflow's shell copies the address of the frame when it has loaded.
  addEventListener("load", () => setTimeout(() => leave(pending), 50));
}
