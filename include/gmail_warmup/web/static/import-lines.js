// The table of an import's preview: lines with errors first.

import { PagedTable, element } from "./paged-table.js";

const RANK = { bad: 0, update: 1, add: 2, unchanged: 3 };

export class LinesTable extends PagedTable {
  fill({ lines, unit, counts }) {
    this.at("unit").textContent = this.unit = unit[0].toUpperCase() + unit.slice(1);
    const sorted = lines.toSorted((one, other) => RANK[one.outcome] - RANK[other.outcome] || one.number - other.number);
    const { bad, to_add: add, to_update: update, unchanged } = counts;
    this.show(sorted, { bad, add, update, unchanged });
  }

  row(line) {
    const row = element("tr", { role: "row" });
    row.dataset.outcome = line.outcome;
    const number = element("td", { role: "cell", className: "number" }, line.number.toLocaleString());
    number.dataset.label = this.unit;
    const what = element("td", { role: "cell", className: "what" }, this.chips(line), ...details(line));
    row.append(number, this.who(line.address || "–"), what);
    return row;
  }

  chips(line) {
    const names = [`outcome-${line.outcome}`];
    if (line.needs_sign_in) names.push("sign-in");
    if (line.pauses) names.push("paused");
    return element("span", { className: "chips" }, ...names.map((name) => this.chip(name)));
  }
}

function details({ problems, changes }) {
  const items = [
    ...problems.map(({ field, rule }) => (field ? [code(field), ` ${rule}`] : [rule])),
    ...changes.map(({ field, before, after }) => [code(field), ` ${display(before)} `, arrow(), ` ${display(after)}`]),
  ];
  return items.length ? [element("ul", {}, ...items.map((parts) => element("li", {}, ...parts)))] : [];
}

function arrow() {
  return element("span", { role: "img", ariaLabel: "becomes" }, "→");
}

function display(value) {
  return value ?? "none";
}

function code(name) {
  return element("code", {}, name);
}
