// Shared by the forms: the list of time zones, and the server's error next to each field.

export function fillZones(list) {
  const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
  list.append(...zones.map((zone) => new Option(zone, zone)));
}

// An empty field becomes null; the server returns the rule for invalid input.
export function number(text) {
  return text.trim() === "" ? null : Number(text);
}

export function clearErrors(form, box) {
  for (const line of form.querySelectorAll(".error")) line.hidden = true;
  for (const input of form.elements) input.removeAttribute("aria-invalid");
  box.hidden = true;
}

export function showErrors(form, box, problem) {
  clearErrors(form, box);
  const unplaced = [];
  for (const { field, message } of problem.errors ?? []) {
    const name = field.split(".").filter((part) => !/^\d+$/.test(part)).pop(); // a number is a place in a list
    const line = form.querySelector(`[id="${CSS.escape(name)}-error"]`);
    if (!line) {
      unplaced.push(`${field} ${message}`);
      continue;
    }
    line.textContent = message;
    line.hidden = false;
    const input = form.elements[name];
    if (input instanceof HTMLElement) input.setAttribute("aria-invalid", "true");
  }
  box.textContent = problem.errors?.length ? unplaced.join("; ") : problem.message;
  box.hidden = !box.textContent;
  form.querySelector("[aria-invalid]")?.focus();
}
