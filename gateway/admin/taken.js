// What is taken down: who did it, when and why, and showing it again.

import { element } from "../page/shown.js";
import { askWhatToTakeDown, isSwitch, KINDS, showAgain } from "./deny.js";
import { button, card, labelled, note, shortName, table, when } from "./parts.js";

const MOST = 100; // rows

export class TakenDown {
  #desk;
  #list = element("div");
  #filter = element("input", { type: "search", dir: "auto", autocomplete: "off", placeholder: "text, name or reason" });

  constructor(desk) {
    this.#desk = desk;
    const made = card("Taken down", { wide: true });
    this.element = made.element;
    this.#filter.addEventListener("input", () => this.show());
    const more = button("Take down a text", () => askWhatToTakeDown(desk, ""));
    made.body.append(element("div", { class: "line" }, labelled("Find", this.#filter), more), this.#list);
  }

  show() {
    const sought = this.#filter.value.trim().toLowerCase();
    const all = this.#desk.entries.filter((entry) => !isSwitch(entry));
    const found = all.filter((entry) => [entry.phrase, entry.creator, entry.reason].some((text) => text.toLowerCase().includes(sought)));
    const columns = [
      ["text", ({ phrase }) => element("b", { dir: "auto" }, phrase)],
      ["what", ({ matchOperator }) => KINDS[matchOperator] ?? "of a later release"],
      ["where", ({ model }) => shortName(model)],
      ["who", ({ creator }) => creator],
      ["when", ({ createTime }) => when(createTime)],
      ["why", ({ reason }) => reason],
      ["ends", ({ expireTime }) => when(expireTime) || "never"],
      ["", (entry) => this.#again(entry)],
    ];
    const focused = document.activeElement?.dataset?.key;
    const parts = found.length ? [table("Taken down", columns, found.slice(0, MOST))] : [note(all.length ? "Nothing like this is taken down." : "Nothing is taken down.")];
    if (found.length > MOST) parts.push(note(`${found.length - MOST} more: type above to find them.`));
    if (!this.#desk.complete) parts.push(note("There are older ones that this page does not read: `autocomplete deny list` has all."));
    this.#list.replaceChildren(...parts);
    if (focused) this.#list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  #again(entry) {
    const act = () => showAgain(this.#desk, entry).catch((error) => this.#desk.failed(error));
    const made = button("Show again", act, { about: entry.phrase });
    made.dataset.key = entry.name;
    return made;
  }
}
