// The table of the preview: lines with errors first, in pages of a hundred.

const PAGE = 100;
const RANK = { bad: 0, update: 1, add: 2, unchanged: 3 };

export class LinesTable {
  constructor(page) {
    this.at = (id) => page.querySelector(`#${id}`);
    this.counters = [...page.querySelectorAll("[data-show]")];
    for (const counter of this.counters) counter.addEventListener("click", () => this.choose(counter));
    this.at("previous").addEventListener("click", () => this.turn(-PAGE));
    this.at("next").addEventListener("click", () => this.turn(PAGE));
  }

  fill({ lines, unit, counts }) {
    this.lines = lines.toSorted((one, other) => RANK[one.outcome] - RANK[other.outcome] || one.number - other.number);
    this.at("unit").textContent = this.unit = unit[0].toUpperCase() + unit.slice(1);
    const numbers = { bad: counts.bad, add: counts.to_add, update: counts.to_update, unchanged: counts.unchanged };
    for (const counter of this.counters) {
      const number = numbers[counter.dataset.show];
      counter.querySelector(".number").textContent = number.toLocaleString();
      counter.disabled = number === 0;
      counter.setAttribute("aria-pressed", "false");
    }
    this.chosen = this.lines;
    this.turnTo(0);
  }

  choose(counter) {
    const pressed = counter.getAttribute("aria-pressed") !== "true";
    for (const other of this.counters) other.setAttribute("aria-pressed", String(pressed && other === counter));
    this.chosen = pressed ? this.lines.filter((line) => line.outcome === counter.dataset.show) : this.lines;
    this.turnTo(0);
  }

  turn(by) {
    this.turnTo(this.start + by);
    this.at("preview-title").scrollIntoView({ block: "nearest" });
  }

  turnTo(start) {
    this.start = start;
    const end = Math.min(start + PAGE, this.chosen.length);
    this.at("lines").tBodies[0].replaceChildren(...this.chosen.slice(start, end).map((line) => this.row(line)));
    this.at("pages").hidden = this.chosen.length <= PAGE;
    this.at("range").textContent =
      `${(start + 1).toLocaleString()} to ${end.toLocaleString()} of ${this.chosen.length.toLocaleString()}`;
    this.at("previous").disabled = start === 0;
    this.at("next").disabled = end === this.chosen.length;
  }

  row(line) {
    const row = element("tr", { role: "row" });
    row.dataset.outcome = line.outcome;
    const number = element("td", { role: "cell", className: "number" }, line.number.toLocaleString());
    number.dataset.label = this.unit;
    const name = element("span", { className: "address" }, line.address || "–");
    const address = element("th", { role: "rowheader", scope: "row", className: "who" }, name);
    const what = element("td", { role: "cell", className: "what" }, this.chips(line), ...details(line));
    row.append(number, address, what);
    return row;
  }

  chips(line) {
    const names = [`outcome-${line.outcome}`];
    if (line.needs_sign_in) names.push("sign-in");
    if (line.pauses) names.push("paused");
    return element("span", { className: "chips" }, ...names.map((name) => this.at(name).content.cloneNode(true)));
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

function element(name, properties, ...content) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}
