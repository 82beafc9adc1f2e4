// What is taken down: who did it, when and why, and showing it again.

import { element } from "../page/shown.js";
import { askWhatToTakeDown, isSwitch, KINDS, showAgain } from "./deny.js";
import { Listing } from "./listing.js";
import { shortName, when } from "./parts.js";

export class TakenDown {
  #desk;
  #listing;

  constructor(desk) {
    this.#desk = desk;
    this.#listing = new Listing({
      title: "Taken down",
      none: "Nothing is taken down.",
      columns: [
        ["text", ({ phrase }) => element("b", { dir: "auto" }, phrase)],
        ["what", ({ matchOperator }) => KINDS[matchOperator] ?? "of a later release"],
        ["where", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["when", ({ createTime }) => when(createTime)],
        ["why", ({ reason }) => reason],
        ["ends", ({ expireTime }) => when(expireTime) || "never"],
      ],
      words: ({ phrase, creator, reason }) => [phrase, creator, reason],
      name: ({ phrase }) => phrase,
      remove: (entry) => showAgain(desk, entry),
      removeText: "Show again",
      make: () => askWhatToTakeDown(desk, ""),
      makeText: "Take down a text",
    });
    this.element = this.#listing.element;
  }

  show() {
    const { items, complete } = this.#desk.denied;
    this.#listing.show({ items: items.filter((entry) => !isSwitch(entry)), complete });
  }
}
