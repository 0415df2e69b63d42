// Landing page of an invite. The token stays in the fragment of the URL; it is sent only in request bodies.

import { send } from "./api.js";
import { setTime } from "./times.js";

const page = Object.fromEntries(["over", "trouble", "invite"].map((id) => [id, document.getElementById(id)]));
const token = location.hash.slice(1);

function show(name) {
  for (const [id, section] of Object.entries(page)) section.hidden = id !== name;
  page.over.classList.toggle("shown", name === "over");
}

async function load() {
  try {
    fill(token ? await send("invite/look", { token }) : null);
  } catch (problem) {
    document.getElementById("trouble-text").textContent = problem.message;
    show(problem.status === 404 ? "over" : "trouble");
  }
}

function fill(found) {
  if (!found) return show("over");
  for (const place of document.querySelectorAll("[data-address]")) place.textContent = found.address;
  setTime(document.getElementById("until"), found.expires_at);
  show("invite");
}

async function start(button) {
  const box = document.getElementById("alert");
  box.hidden = true;
  button.disabled = true;
  try {
    const { url } = await send("invite/start", { token });
    // After a refused consent, the page offers the link again; it is kept for this tab only.
    sessionStorage.setItem("invite", location.hash);
    location.assign(url);
  } catch (problem) {
    button.disabled = false;
    if (problem.status === 404) return show("over");
    box.textContent = problem.message;
    box.hidden = false;
  }
}

document.getElementById("continue").addEventListener("click", (event) => start(event.currentTarget));
document.getElementById("retry").addEventListener("click", () => location.reload());
addEventListener("hashchange", () => location.reload());
// A page restored from the browser's cache still has the button disabled.
addEventListener("pageshow", (event) => event.persisted && location.reload());
load();
