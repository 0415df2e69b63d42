// One weekly report, for whoever has its link. The token stays in the fragment of the URL; it is sent only in a body.

import { send } from "./api.js";
import { setTime } from "./times.js";

const token = location.hash.slice(1);
const page = Object.fromEntries(["over", "trouble", "report"].map((id) => [id, document.getElementById(id)]));

function show(name) {
  for (const [id, section] of Object.entries(page)) section.hidden = id !== name;
  page.over.classList.toggle("shown", name === "over");
}

async function load() {
  try {
    fill(token ? await send("shared-report/look", { token }) : null);
  } catch (problem) {
    document.getElementById("trouble-text").textContent = problem.message;
    show(problem.status === 404 ? "over" : "trouble");
  }
}

function fill(found) {
  if (!found) return show("over");
  document.getElementById("title").textContent = document.title = found.title;
  document.getElementById("figures").innerHTML = found.html; // rendered by our server, with every value escaped
  // The byte order mark tells Excel that the file is UTF-8.
  document.getElementById("csv").href = URL.createObjectURL(new Blob(["\ufeff", found.csv], { type: "text/csv" }));
  setTime(document.getElementById("until"), found.expires_at);
  show("report");
}

document.getElementById("retry").addEventListener("click", () => location.reload());
addEventListener("hashchange", () => location.reload());
load();
