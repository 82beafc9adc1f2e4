// What users submit at present, the most frequent first; also what no suggestion may show.

import { element } from "../page/shown.js";
import { askWhatToTakeDown } from "./deny.js";
import { button, card, note, redraw, table } from "./parts.js";

const SHOWN = 20;

export class Trending {
  #desk;
  #body;
  #queries = [];

  constructor(desk) {
    this.#desk = desk;
    const made = card("Trending");
    this.element = made.element;
    this.#body = made.body;
  }

  async load() {
    const { model } = this.#desk;
    const answer = model ? await this.#desk.call("GET", `./v1/trendingQueries?${new URLSearchParams({ model, pageSize: SHOWN })}`) : { trendingQueries: [] };
    this.#queries = answer.trendingQueries.map(({ decayedCount, ...each }) => ({ ...each, submitted: decayedCount.toFixed(1) }));
  }

  show() {
    const columns = [
      ["query", ({ query }) => element("b", { dir: "auto" }, query)],
      ["submitted", ({ submitted }) => submitted],
      ["", ({ query, shown }) => (shown ? button("Take down", () => askWhatToTakeDown(this.#desk, query), { about: query, key: query }) : "not shown: looks private, is blocked or taken down")],
    ];
    const help = "A submission counts half as much after every half-life.";
    const parts = () => (this.#queries.length ? [table("Trending", columns, this.#queries), note(help)] : [note("Nothing is trending.")]);
    redraw(this.#body, this.#queries, parts);
  }
}
