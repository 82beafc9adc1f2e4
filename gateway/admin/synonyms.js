// Synonyms: words that also find what has other words.

import { element } from "../page/shown.js";
import { Listing } from "./listing.js";
import { labelled, shortName, when } from "./parts.js";

const WAYS = [["this way alone", ""], ["both ways", "1"]];

export class Synonyms {
  #desk;
  #listing;
  #synonyms = { items: [], complete: true };

  constructor(desk) {
    this.#desk = desk;
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
      remove: (synonym) => this.#remove(synonym),
      removeText: "Remove",
      make: () => this.#ask(),
      makeText: "Add a synonym",
    });
    this.element = this.#listing.element;
  }

  async load() {
    this.#synonyms = await this.#desk.list("./v1/synonyms", "synonyms");
  }

  show() {
    this.#listing.show(this.#synonyms.items, this.#synonyms.complete);
  }

  #remove(synonym) {
    this.#desk
      .change(`Removed: ${told(synonym)}.`, () => remove(this.#desk, synonym), () => create(this.#desk, synonym))
      .catch((error) => this.#desk.failed(error));
  }

  #ask() {
    const word = () => element("input", { type: "text", required: "", dir: "auto", autocomplete: "off" });
    const [phrase, replacement] = [word(), word()];
    const ways = element("select", {}, ...WAYS.map(([text, value]) => new Option(text, value)));
    const form = [labelled("Who types this", phrase), labelled("also finds what has this", replacement), labelled("Holds", ways)];
    this.#desk.ask("Add a synonym", form, "Add", async () => {
      const synonym = { phrase: phrase.value, replacement: replacement.value, twoWay: Boolean(ways.value), model: this.#desk.model };
      const before = this.#synonyms.items;
      let made;
      const undo = () => {
        const was = before.find(({ name }) => name === made.name); // the new one has taken its place
        return was ? create(this.#desk, was) : remove(this.#desk, made);
      };
      const add = async () => (made = await create(this.#desk, { ...synonym, creator: this.#desk.operator }));
      await this.#desk.change(`Added: ${told(synonym)}.`, add, undo);
    });
  }
}

function told({ phrase, replacement }) {
  return `“${phrase}” also finds “${replacement}”`;
}

function create(desk, { createTime, name, ...synonym }) {
  return desk.call("POST", "./v1/synonyms", synonym);
}

function remove(desk, { name }) {
  return desk.call("DELETE", `./v1/${name}?${new URLSearchParams({ remover: desk.operator })}`);
}
