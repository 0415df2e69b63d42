// One weekly report, for whoever has its link. The token stays in the fragment of the URL; it is sent only in a body.

import { send } from "./api.js";
import { setTime } from "./times.js";

const token = location.hash.slice(1);
const over = document.getElementById("over");

async function load() {
  try {
    fill(await send("shared-report/look", { token }));
  } catch (problem) {
    if (problem.status !== 404) over.querySelector("p").textContent = problem.message;
    over.classList.add("shown");
  }
}

function fill(found) {
  document.getElementById("title").textContent = document.title = found.title;
  document.getElementById("figures").innerHTML = found.html; // rendered by our server, with every value escaped
  document.getElementById("csv").href = URL.createObjectURL(new Blob([found.csv], { type: "text/csv" }));
  setTime(document.getElementById("until"), found.expires_at);
  over.hidden = true;
  document.getElementById("report").hidden = false;
}

addEventListener("hashchange", () => location.reload());
if (token) load();
else over.classList.add("shown");
