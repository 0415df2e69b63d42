// The page of webhooks: send a test, and send a delivery again.

import { post } from "./api.js";

const bad = document.querySelector("#alert");
const good = document.querySelector("#done");

function show(box, text) {
  bad.hidden = good.hidden = true;
  box.textContent = text;
  box.hidden = false;
}

async function deliver(button, path, body) {
  button.disabled = true;
  try {
    const delivery = await post(path, body);
    if (delivery.state === "delivered") show(good, `${delivery.receiver} accepted it. Reload the page to see it in the log.`);
    else if (delivery.failure) show(bad, `${delivery.receiver}: ${delivery.failure}`);
    else show(bad, "An earlier delivery of the same mailbox waits; this one is sent after it.");
  } catch (problem) {
    show(bad, problem.message);
  }
  button.disabled = false;
}

for (const button of document.querySelectorAll("[data-test]")) {
  button.addEventListener("click", () => deliver(button, "webhooks/test", { receiver: button.dataset.test }));
}
for (const button of document.querySelectorAll("[data-repeat]")) {
  button.addEventListener("click", () => deliver(button, `webhooks/deliveries/${button.dataset.repeat}/repeat`, {}));
}
