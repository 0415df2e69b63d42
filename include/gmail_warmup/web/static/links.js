// Create invites for many mailboxes, and show their links once: to copy, or to save as a file.

import { get, post } from "./api.js";
import { copy } from "./copy.js";
import { counted } from "./selection.js";

const MAX_INVITES = 1000;

export async function invite(dialog, selection) {
  if (selection.size > MAX_INVITES) {
    throw new Error(`Links can be created for at most ${MAX_INVITES.toLocaleString("en")} mailboxes at a time. Narrow the list with its filters.`);
  }
  const { invites } = await post("invites", { addresses: await addresses(selection) });
  dialog.close();
  show(document.querySelector("#links"), invites);
}

async function addresses(selection) {
  if (!selection.all) return selection.addresses;
  const query = new URLSearchParams({ ...selection.filter, limit: MAX_INVITES });
  return (await get(`mailboxes?${query}`)).mailboxes.map(({ address }) => address);
}

function show(dialog, invites) {
  dialog.querySelector("[data-number]").textContent = counted(invites.length);
  const form = dialog.querySelector("template").content;
  dialog.querySelector(".links").replaceChildren(...invites.map((made) => line(form, made)));
  const lines = [["address", "link", "expires_at"], ...invites.map((made) => [made.address, made.url, made.expires_at])];
  const text = lines.map((cells) => cells.map(quoted).join(",")).join("\r\n");
  const file = dialog.querySelector("#links-file");
  file.href = URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" }));
  dialog.addEventListener("close", () => URL.revokeObjectURL(file.href), { once: true });
  dialog.showModal();
}

function line(form, { address, url }) {
  const item = form.cloneNode(true);
  item.querySelector(".address").textContent = address;
  const [input, button] = item.querySelectorAll("input, button");
  input.value = url;
  input.setAttribute("aria-label", `Link for ${address}`);
  button.setAttribute("aria-label", `Copy the link for ${address}`);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(input)) ? "Copied" : "Press Ctrl-C";
  });
  return item;
}

// A spreadsheet reads a cell that starts with one of these as a formula, and an address may start with some.
function quoted(cell) {
  const safe = /^[=+\-@]/.test(cell) ? `'${cell}` : cell;
  return `"${safe.replaceAll('"', '""')}"`;
}
