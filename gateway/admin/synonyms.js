// Synonyms: words that also find what has other words.

import { element } from "../page/shown.js";
import { Collection } from "./collection.js";
import { Listing } from "./listing.js";
import { labelled, shortName, when } from "./parts.js";

const WAYS = [["this way alone", ""], ["both ways", "1"]];

export class Synonyms {
  #desk;
  #listing;
  #synonyms;

  constructor(desk) {
    this.#desk = desk;
    this.#synonyms = new Collection(desk, "./v1/synonyms", "synonyms");
    this.#listing = new Listing({
      title: "Synonyms",
      none: "There is no synonym.",
      columns: [
        ["typed", ({ phrase }) => element("b", { dir: "auto" }, phrase)],
        ["also finds", ({ replacement }) => element("b", { dir: "auto" }, replacement)],
        ["holds", ({ twoWay }) => WAYS[Number(twoWay)][0]],
        ["model", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["when", ({ createTime }) => when(createTime)],
      ],
      words: ({ phrase, replacement, creator }) => [phrase, replacement, creator],
      name: ({ phrase, replacement }) => `${phrase} for ${replacement}`,
      remove: (synonym) => this.#synonyms.remove(synonym, `Removed: ${told(synonym)}.`),
      removeText: "Remove",
      make: () => this.#ask(),
      makeText: "Add a synonym",
    });
    this.element = this.#listing.element;
  }

  load() {
    return this.#synonyms.load();
  }

  show() {
    this.#listing.show(this.#synonyms);
  }

  #ask() {
    const word = () => element("input", { type: "text", required: "", dir: "auto", autocomplete: "off" });
    const [phrase, replacement] = [word(), word()];
    const ways = element("select", {}, ...WAYS.map(([text, value]) => new Option(text, value)));
    const form = [labelled("Who types this", phrase), labelled("also finds what has this", replacement), labelled("Holds", ways)];
    this.#desk.ask("Add a synonym", form, "Add", async () => {
      const synonym = { phrase: phrase.value, replacement: replacement.value, twoWay: Boolean(ways.value), model: this.#desk.model };
      await this.#synonyms.make(synonym, `Added: ${told(synonym)}.`);
    });
  }
}

function told({ phrase, replacement }) {
  return `“${phrase}” also finds “${replacement}”`;
}
