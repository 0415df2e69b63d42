// A number and its noun.

export function plural(number, thing) {
  const more = thing.endsWith("x") ? "es" : "s";
  return `${number.toLocaleString()} ${thing}${number === 1 ? "" : more}`;
}
