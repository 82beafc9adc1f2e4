// Entries of the catalogue that operators added or changed: titles with a weight, or withdrawn, as what is out of stock.

import { element } from "../page/shown.js";
import { Collection } from "./collection.js";
import { Listing } from "./listing.js";
import { labelled, shortName, when } from "./parts.js";

export class Catalogue {
  #desk;
  #listing;
  #entries;

  constructor(desk) {
    this.#desk = desk;
    this.#entries = new Collection(desk, "./v1/catalogueEntries", "catalogueEntries");
    this.#listing = new Listing({
      title: "Entries added or withdrawn",
      none: "No entry was added or withdrawn.",
      columns: [
        ["text", ({ text }) => element("b", { dir: "auto" }, text)],
        ["weight", ({ weight, withdrawn }) => (withdrawn ? "withdrawn" : String(weight))],
        ["tags", ({ tags }) => tags.join(", ")],
        ["payload", ({ payload }) => payload],
        ["model", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["when", ({ createTime }) => when(createTime)],
      ],
      words: ({ text, creator, payload, tags }) => [text, creator, payload, ...tags],
      name: ({ text }) => text,
      remove: (entry) => this.#entries.remove(entry, `Removed: “${entry.text}”.`),
      removeText: "Remove",
      make: () => this.#ask(),
      makeText: "Add an entry",
    });
    this.element = this.#listing.element;
  }

  load() {
    return this.#entries.load();
  }

  show() {
    this.#listing.show(this.#entries);
  }

  #ask() {
    const fields = {
      text: element("input", { type: "text", required: "", maxlength: "256", dir: "auto", autocomplete: "off" }),
      weight: element("input", { type: "number", min: "0", step: "any", value: "1" }),
      tags: element("input", { type: "text", autocomplete: "off", placeholder: "category:shoes, brand:acme" }),
      payload: element("input", { type: "text", maxlength: "1024", autocomplete: "off", placeholder: "handed out with the suggestion" }),
      withdrawn: element("select", {}, new Option("suggested", ""), new Option("withdrawn: not suggested at all", "1")),
    };
    const names = { text: "Title", weight: "Weight", tags: "Tags", payload: "Payload", withdrawn: "It is" };
    const form = Object.entries(fields).map(([name, field]) => labelled(names[name], field));
    this.#desk.ask("Add an entry", form, "Add", async () => {
      const withdrawn = Boolean(fields.withdrawn.value);
      const tags = fields.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
      const shown = withdrawn ? { withdrawn } : { weight: Number(fields.weight.value), tags, payload: fields.payload.value };
      const entry = { text: fields.text.value, model: this.#desk.model, ...shown };
      const done = withdrawn ? `Withdrawn: “${entry.text}”.` : `Added: “${entry.text}”.`;
      await this.#entries.make(entry, done);
    });
  }
}
