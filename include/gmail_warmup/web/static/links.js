// Invites for many mailboxes: their links are shown once, to be copied or kept as a file.

import { get, post } from "./api.js";
import { copy } from "./copy.js";
import { counted } from "./selection.js";

const MOST = 1000;

export async function invite(asking, selection) {
  if (selection.size > MOST) {
    throw new Error(`Links are made for ${MOST.toLocaleString("en")} mailboxes at a time. Narrow the list by its filters.`);
  }
  const { invites } = await post("invites", { addresses: await addresses(selection) });
  asking.close();
  show(document.querySelector("#links"), invites);
}

async function addresses(selection) {
  if (!selection.all) return selection.addresses;
  const query = new URLSearchParams({ ...selection.filter, limit: MOST });
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

// A spreadsheet takes a cell that begins with one of these for a formula, and an address may begin with some.
function quoted(cell) {
  const safe = /^[=+\-@]/.test(cell) ? `'${cell}` : cell;
  return `"${safe.replaceAll('"', '""')}"`;
}
