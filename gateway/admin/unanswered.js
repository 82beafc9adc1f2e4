// Queries that suggestions did not help with, by several users each: a list to act on.

import { element } from "../page/shown.js";
import { button, card, note, redraw, table } from "./parts.js";

const SHOWN = 20;
const LACKS = { LACK_SUGGESTED: "Nothing was suggested", LACK_ACCEPTED: "Nothing was accepted" };

export class Unanswered {
  #desk;
  #body;
  #lists = [];

  constructor(desk) {
    this.#desk = desk;
    const made = card("Queries without an answer");
    this.element = made.element;
    this.#body = made.body;
  }

  async load() {
    const { model } = this.#desk;
    const asked = model ? Object.keys(LACKS) : [];
    this.#lists = await Promise.all(asked.map(async (lack) => {
      const parameters = new URLSearchParams({ model, lack, pageSize: SHOWN });
      return { lack, ...(await this.#desk.call("GET", `./v1/unansweredQueries?${parameters}`)) };
    }));
  }

  show() {
    const parts = () => this.#lists.flatMap(({ lack, unansweredQueries, partial }) => [
      element("h3", {}, LACKS[lack]),
      unansweredQueries.length ? this.#table(lack, unansweredQueries) : note("No such query of enough users."),
      ...(partial ? [note("Older searches are still being read.")] : []),
    ]);
    redraw(this.#body, this.#lists, parts);
  }

  #table(lack, queries) {
    const look = (query) => button("See the list", () => this.#desk.search(query), { about: query, key: `${lack} ${query}` });
    const columns = [
      ["query", ({ query }) => element("b", { dir: "auto" }, query)],
      ["searches", ({ searchCount }) => String(searchCount)],
      ["users", ({ userCount }) => `${userCount} or more`],
      ["", ({ query }) => look(query)],
    ];
    return table(LACKS[lack], columns, queries);
  }
}
