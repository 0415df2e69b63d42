// The kill switch: dialogs that confirm stopping and starting everything.

import { post } from "./api.js";
import { formDialog } from "./dialogs.js";

const ACTIONS = {
  "halt-begin": (form) => post("halt", { reason: form.elements.reason.value.trim() }),
  "halt-end": () => post("halt/end", {}),
};

for (const [id, act] of Object.entries(ACTIONS)) {
  const dialog = document.getElementById(id);
  if (!dialog) continue;
  formDialog(dialog, async (form) => {
    await act(form);
    return "";
  });
}
