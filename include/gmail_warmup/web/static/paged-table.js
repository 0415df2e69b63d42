// A table in pages of a hundred rows, and counters above it that show only the rows of one outcome.

const PAGE = 100;

export class PagedTable {
  constructor(page) {
    this.at = (id) => page.querySelector(`#${id}`);
    this.counters = [...page.querySelectorAll("[data-show]")];
    for (const counter of this.counters) counter.addEventListener("click", () => this.choose(counter));
    this.at("previous").addEventListener("click", () => this.turn(-PAGE));
    this.at("next").addEventListener("click", () => this.turn(PAGE));
  }

  // `lines` have an `outcome`; `numbers` has the number of each outcome that a counter shows.
  show(lines, numbers) {
    this.lines = this.chosen = lines;
    for (const counter of this.counters) {
      const number = numbers[counter.dataset.show];
      counter.querySelector(".number").textContent = number.toLocaleString();
      counter.disabled = number === 0;
      counter.setAttribute("aria-pressed", "false");
    }
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

  chip(name) {
    return this.at(name).content.cloneNode(true);
  }

  who(address) {
    const name = element("span", { className: "address" }, address);
    return element("th", { role: "rowheader", scope: "row", className: "who" }, name);
  }
}

export function element(name, properties, ...content) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...content);
  return made;
}
