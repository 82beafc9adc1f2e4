// Queries that find nothing where they lead to, and so are not suggested: hits counted by operators or by their programs.

import { element } from "../page/shown.js";
import { Listing } from "./listing.js";
import { labelled, shortName, when } from "./parts.js";

export class Hits {
  #desk;
  #listing;
  #hidden = { items: [], complete: true };

  constructor(desk) {
    this.#desk = desk;
    this.#listing = new Listing({
      title: "Queries that find nothing",
      none: "No query is known to find nothing.",
      columns: [
        ["query", ({ query }) => element("b", { dir: "auto" }, query)],
        ["model", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["when", ({ createTime }) => when(createTime)],
      ],
      words: ({ query, creator }) => [query, creator],
      name: ({ query }) => query,
      remove: (hidden) => this.#show(hidden).catch((error) => desk.failed(error)),
      removeText: "Suggest again",
      make: () => this.#ask(),
      makeText: "Hide a query that finds nothing",
    });
    this.element = this.#listing.element;
  }

  async load() {
    this.#hidden = await this.#desk.list("./v1/hitCounts", "hiddenQueries");
  }

  show() {
    this.#listing.show(this.#hidden);
  }

  #ask() {
    const query = element("input", { type: "text", required: "", maxlength: "256", dir: "auto", autocomplete: "off" });
    this.#desk.ask("Hide a query that finds nothing", [labelled("Query", query)], "Hide", () =>
      this.#hide({ query: query.value, model: this.#desk.model }));
  }

  #hide(asked) {
    return this.#desk.change(`Hidden: “${asked.query}”.`, () => this.#set(asked, 0), () => this.#set(asked, 1));
  }

  #show(hidden) {
    return this.#desk.change(`Suggested again: “${hidden.query}”.`, () => this.#set(hidden, 1), () => this.#set(hidden, 0));
  }

  #set({ query, model }, hits) {
    return this.#desk.call("PUT", "./v1/hitCounts", { model, hitCounts: [{ query, hits }], creator: this.#desk.operator });
  }
}
