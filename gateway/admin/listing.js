// A list of things that operators made, with a box to find some of them and a button to make another.

import { element } from "../page/shown.js";
import { button, card, labelled, note, redraw, table } from "./parts.js";

const MOST = 100; // rows

export class Listing {
  #about;
  #list = element("div");
  #filter = element("input", { type: "search", dir: "auto", autocomplete: "off", placeholder: "text, name or reason" });
  #items = [];
  #complete = true;

  /**
   * `about` has `title`, `none` (what an empty list says), `columns` as of `table`, `words(item)`, in which is looked,
   * `remove(item)` with its button's `removeText`, `make()` with `makeText`, and `name(item)`.
   */
  constructor(about) {
    this.#about = about;
    const made = card(about.title, { wide: true });
    this.element = made.element;
    this.#filter.addEventListener("input", () => this.#draw());
    const line = element("div", { class: "line" }, labelled("Find", this.#filter), button(about.makeText, () => about.make()));
    made.body.append(line, this.#list);
  }

  /** Shows items; `complete` says whether these are all. */
  show({ items, complete }) {
    this.#items = items;
    this.#complete = complete;
    this.#draw();
  }

  #draw() {
    const { title, none, columns, words } = this.#about;
    const sought = this.#filter.value.trim().toLowerCase();
    const found = this.#items.filter((item) => words(item).some((text) => text.toLowerCase().includes(sought)));
    const shown = found.slice(0, MOST);
    const notes = [];
    if (!shown.length) notes.push(this.#items.length ? "Nothing fits." : none);
    if (found.length > MOST) notes.push(`${found.length - MOST} more: type above to find them.`);
    if (!this.#complete) notes.push("There are older ones, which this page does not read. The command line lists all.");
    const rows = () => (shown.length ? [table(title, [...columns, ["", (item) => this.#remover(item)]], shown)] : []);
    redraw(this.#list, [shown, notes], () => [...rows(), ...notes.map(note)]);
  }

  #remover(item) {
    const { remove, removeText, name } = this.#about;
    return button(removeText, () => remove(item), { about: name(item), key: item.name ?? name(item) });
  }
}
