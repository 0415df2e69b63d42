// The import page: read a file, show its preview, then import exactly that or nothing.

import { post } from "./api.js";
import { readFile, refusal } from "./import-file.js";
import { LinesTable } from "./import-lines.js";
import { plural } from "./plural.js";

const at = (id) => document.querySelector(`#${id}`);
const sections = ["choose", "preview", "done"];

let source = {};
let token = null;

function show(name) {
  for (const other of sections) at(other).hidden = other !== name;
}

function showProblem(box, message) {
  box.textContent = message;
  box.hidden = !message;
}

async function busy(button, act, box) {
  button.disabled = true;
  showProblem(box, "");
  try {
    await act();
  } catch (problem) {
    const [wrong] = problem.errors ?? [];
    showProblem(box, ["text", "content"].includes(wrong?.field) ? `The file ${wrong.message}` : problem.message);
    box.scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
}

async function preview() {
  const [file] = at("file").files;
  const found = file ? await readFile(file, Number(at("choose").dataset.largest)) : { text: at("text").value };
  const refused = refusal(found, Number(at("choose").dataset.largest));
  if (refused) throw new Error(refused);
  source = file ? { content: found.content } : found;
  reveal(await post("imports/preview", source));
  showProblem(at("preview-alert"), "");
  at("source").textContent = file ? file.name : "Pasted text";
  at("preview-title").focus();
}

function reveal(found) {
  token = found.token;
  const { to_add: added, to_update: updated, unchanged, to_pause: paused, bad } = found.counts;
  table.fill(found);
  showProblem(at("preview-warning"), found.warnings.join("\n"));
  show("preview");
  const to = added + updated;
  at("verdict").textContent = paused ? `${plural(paused, "mailbox")} will be paused, according to the file.` : "";
  at("import-button").hidden = !token || !to;
  at("import-button").textContent = `Import ${plural(to, "mailbox")}`;
  if (bad) {
    at("verdict").textContent = `Nothing is imported while any ${found.unit} has an error. Correct the file and choose it again.`;
  } else if (!to) {
    at("verdict").textContent = unchanged ? "Nothing to import: no mailbox would change." : "The file contains no mailbox.";
  }
  if (found.more) {
    const lines = found.unit === "entry" ? "entries" : `${found.unit}s`;
    at("verdict").textContent += ` And ${found.more.toLocaleString()} more ${lines}, which are not listed.`;
  }
}

async function importAll() {
  try {
    done(await post("imports", { ...source, token }));
  } catch (problem) {
    if (problem.content?.preview) reveal(problem.content.preview);
    throw problem;
  }
}

function done({ to_add: added, to_update: updated, to_pause: paused }) {
  const parts = [added && `${plural(added, "mailbox")} added`, updated && `${plural(updated, "mailbox")} updated`];
  at("done-title").textContent = `Imported: ${parts.filter(Boolean).join(", ")}.`;
  const signIn = added ? "New mailboxes have no grant yet: re-authenticate them, or invite their owners. " : "";
  at("done-step").textContent = signIn + (paused ? `Paused according to the file: ${plural(paused, "mailbox")}.` : "");
  show("done");
  at("done-title").focus();
}

function again() {
  at("import-form").reset();
  source = {};
  show("choose");
  at("file").focus();
}

const table = at("lines") && new LinesTable(document);
at("import-form")?.addEventListener("submit", (event) => {
  event.preventDefault();
  busy(at("preview-button"), preview, at("import-error"));
});
// The last input counts: a file clears the text, and text clears the file.
at("file")?.addEventListener("change", () => {
  at("text").value = "";
  if (at("file").files.length) at("import-form").requestSubmit();
});
at("text")?.addEventListener("input", () => (at("file").value = ""));
at("import-button")?.addEventListener("click", () => busy(at("import-button"), importAll, at("preview-alert")));
for (const id of ["again", "more"]) at(id)?.addEventListener("click", again);
