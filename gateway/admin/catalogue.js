// Entries of the catalogue that operators added or changed: titles with a weight, or withdrawn, as what is out of stock.

import { element } from "../page/shown.js";
import { Listing } from "./listing.js";
import { labelled, shortName, when } from "./parts.js";

export class Catalogue {
  #desk;
  #listing;
  #entries = { items: [], complete: true };

  constructor(desk) {
    this.#desk = desk;
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
      remove: (entry) => this.#remove(entry),
      removeText: "Remove",
      make: () => this.#ask(),
      makeText: "Add an entry",
    });
    this.element = this.#listing.element;
  }

  async load() {
    this.#entries = await this.#desk.list("./v1/catalogueEntries", "catalogueEntries");
  }

  show() {
    this.#listing.show(this.#entries.items, this.#entries.complete);
  }

  #remove(entry) {
    this.#desk
      .change(`Removed: “${entry.text}”.`, () => remove(this.#desk, entry), () => create(this.#desk, entry))
      .catch((error) => this.#desk.failed(error));
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
      const before = this.#entries.items;
      let made;
      const undo = () => {
        const was = before.find(({ name }) => name === made.name); // the new one has taken its place
        return was ? create(this.#desk, was) : remove(this.#desk, made);
      };
      const add = async () => (made = await create(this.#desk, { ...entry, creator: this.#desk.operator }));
      await this.#desk.change(done, add, undo);
    });
  }
}

function create(desk, { createTime, name, ...entry }) {
  return desk.call("POST", "./v1/catalogueEntries", entry);
}

function remove(desk, { name }) {
  return desk.call("DELETE", `./v1/${name}?${new URLSearchParams({ remover: desk.operator })}`);
}
