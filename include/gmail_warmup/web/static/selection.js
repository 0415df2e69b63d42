// The selected mailboxes: rows of this page, or all mailboxes that match the filter.

export function counted(number) {
  return `${number.toLocaleString("en")} mailbox${number === 1 ? "" : "es"}`;
}

export class Selection {
  #bar;
  #boxes;
  #page;
  #all = false;

  constructor(bar) {
    this.#bar = bar;
    this.#boxes = [...document.querySelectorAll("[data-pick]")];
    this.#page = document.querySelector("#pick-page");
    this.#page.addEventListener("change", () => this.#pick(this.#page.checked));
    for (const box of this.#boxes) box.addEventListener("change", () => this.#pick());
    bar.querySelector("#pick-none").addEventListener("click", () => {
      this.#pick(false);
      this.#page.focus();
    });
    bar.querySelector("#pick-all")?.addEventListener("click", () => {
      this.#pick(true);
      this.#all = true;
      this.#show();
    });
    this.#show(); // after going back, the browser keeps the ticked checkboxes
  }

  get all() {
    return this.#all;
  }

  get size() {
    return this.#all ? Number(this.#bar.dataset.matching) : this.#picked.length;
  }

  get filter() {
    return JSON.parse(this.#bar.dataset.filter);
  }

  get addresses() {
    return this.#picked.map((box) => box.closest("tr").dataset.address);
  }

  // The part of a request that names the mailboxes.
  get target() {
    return this.#all ? { filter: this.filter } : { addresses: this.addresses };
  }

  // The body of a change. Nothing is changed if more mailboxes match by now than the page showed.
  get body() {
    return this.#all ? { ...this.target, at_most: this.size } : this.target;
  }

  // The settings of the selected rows, one list per row; none if all matching mailboxes are selected.
  get settings() {
    return this.#all ? [] : this.#picked.map((box) => JSON.parse(box.dataset.pick));
  }

  get #picked() {
    return this.#boxes.filter((box) => box.checked);
  }

  #pick(every) {
    if (every !== undefined) for (const box of this.#boxes) box.checked = every;
    this.#all = false;
    this.#show();
  }

  #show() {
    const picked = this.#picked.length;
    this.#page.checked = picked > 0 && picked === this.#boxes.length;
    this.#page.indeterminate = picked > 0 && picked < this.#boxes.length;
    this.#bar.hidden = !picked;
    this.#bar.querySelector("#picked").textContent = `${counted(this.size)} selected`;
    const offer = this.#bar.querySelector("#pick-all");
    if (offer) offer.hidden = this.#all || !this.#page.checked;
    for (const box of this.#boxes) box.closest("tr").classList.toggle("picked", box.checked);
  }
}
