// Pins: a text that stands where the operator wants it, for a query or for all that begins with it.

import { element } from "../page/shown.js";
import { Listing } from "./listing.js";
import { endChoice, endTime, labelled, shortName, when } from "./parts.js";

const KINDS = { MATCH_TYPED: "exactly this is typed", MATCH_BEGINS: "what is typed begins so" };
const MOST_PLACE = 20;

export class Pins {
  #desk;
  #listing;
  #pins = { items: [], complete: true };

  constructor(desk) {
    this.#desk = desk;
    this.#listing = new Listing({
      title: "Pins",
      none: "Nothing is pinned.",
      columns: [
        ["text", ({ text }) => element("b", { dir: "auto" }, text)],
        ["query", ({ query }) => element("span", { dir: "auto" }, query || "the empty box")],
        ["when", ({ match }) => KINDS[match] ?? "of a later release"],
        ["stands", ({ place, boost }) => (place ? `at place ${place}` : `boosted ${boost} times`)],
        ["model", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["since", ({ startTime, createTime }) => when(startTime ?? createTime)],
        ["ends", ({ expireTime }) => when(expireTime) || "never"],
      ],
      words: ({ text, query, creator }) => [text, query, creator],
      name: ({ text, query }) => `${text} for ${query || "the empty box"}`,
      remove: (pin) => this.#remove(pin),
      removeText: "Remove",
      make: () => askWhatToPin(desk, { query: "", text: "" }),
      makeText: "Pin a text",
    });
    this.element = this.#listing.element;
  }

  async load() {
    this.#pins = await this.#desk.list("./v1/pins", "pins");
  }

  show() {
    this.#listing.show(this.#pins.items, this.#pins.complete);
  }

  #remove(pin) {
    this.#desk
      .change(`No longer pinned: “${pin.text}”.`, () => remove(this.#desk, pin), () => create(this.#desk, pin))
      .catch((error) => this.#desk.failed(error));
  }
}

/** Asks where to pin a text, beginning with what is typed and what is suggested for it. */
export function askWhatToPin(desk, { query, text }) {
  const fields = {
    text: element("input", { type: "text", required: "", maxlength: "256", dir: "auto", value: text, autocomplete: "off" }),
    query: element("input", { type: "text", maxlength: "256", dir: "auto", value: query, autocomplete: "off", placeholder: "nothing: the empty box" }),
    match: element("select", {}, ...Object.entries(KINDS).map(([value, said]) => new Option(said, value))),
    place: element("input", { type: "number", min: "1", max: String(MOST_PLACE), value: "1", required: "" }),
    ends: endChoice(),
  };
  const names = { text: "Text", query: "What people type", match: "When", place: "Place in the list", ends: "Ends" };
  const shown = Object.entries(fields).map(([name, field]) => labelled(names[name], field));
  desk.ask("Pin a text", shown, "Pin", async () => {
    const pin = { text: fields.text.value, query: fields.query.value, match: fields.match.value, place: Number(fields.place.value), model: desk.model, ...endTime(fields.ends) };
    const { items } = await desk.list("./v1/pins", "pins");
    let made;
    let was;
    const add = async () => {
      made = await create(desk, { ...pin, creator: desk.operator });
      was = items.find(({ name }) => name === made.name); // the new one has taken its place
    };
    await desk.change(`Pinned: “${pin.text}” at place ${pin.place}.`, add, () => (was ? create(desk, was) : remove(desk, made)));
  });
}

function create(desk, { createTime, name, ...pin }) {
  return desk.call("POST", "./v1/pins", pin);
}

function remove(desk, { name }) {
  return desk.call("DELETE", `./v1/${name}?${new URLSearchParams({ remover: desk.operator })}`);
}
