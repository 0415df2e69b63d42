// The tags or domains that mailboxes have, offered below a field.

import { get } from "./api.js";
import { counted } from "./selection.js";

// Listing them reads all mailboxes, so they are requested only when the field gets the focus.
export function offerUsed(input, path) {
  input.addEventListener("focus", async () => {
    const found = (await get(path).catch(() => ({})))[path] ?? [];
    const options = found.map((item) => new Option(counted(item.mailboxes), item[input.name]));
    input.list.replaceChildren(...options);
  }, { once: true });
}
