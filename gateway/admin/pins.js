// Pins: a text that stands where the operator wants it, for a query or for all that begins with it.

import { element } from "../page/shown.js";
import { Listing } from "./listing.js";
import { endChoice, endTime, labelled, shortName, when } from "./parts.js";

const KINDS = { MATCH_TYPED: "exactly this is typed", MATCH_BEGINS: "what is typed begins so" };
const MOST_PLACE = 20;

export class Pins {
  #desk;
  #listing;

  constructor(desk) {
    this.#desk = desk;
    this.#listing = new Listing({
      title: "Pins",
      none: "Nothing is pinned.",
      columns: [
        ["text", ({ text }) => element("b", { dir: "auto" }, text)],
        ["query", ({ query }) => element("span", { dir: "auto" }, query || "the empty box")],
        ["when", ({ match }) => KINDS[match] ?? "of a later release"],
        ["stands", standing],
        ["model", ({ model }) => shortName(model)],
        ["who", ({ creator }) => creator],
        ["since", ({ startTime, createTime }) => when(startTime ?? createTime)],
        ["ends", ({ expireTime }) => when(expireTime) || "never"],
      ],
      words: ({ text, query, creator }) => [text, query, creator],
      name: ({ text, query }) => `${text} for ${query || "the empty box"}`,
      remove: (pin) => desk.pins.remove(pin, `No longer pinned: “${pin.text}”.`),
      removeText: "Remove",
      make: () => askWhatToPin(desk, { query: "", text: "" }),
      makeText: "Pin a text",
    });
    this.element = this.#listing.element;
  }

  load() {
    return this.#desk.pins.load();
  }

  show() {
    this.#listing.show(this.#desk.pins);
  }
}

/** Asks where to pin a text, beginning with what is typed and what is suggested for it. */
export function askWhatToPin(desk, { query, text }) {
  const fields = {
    text: element("input", { type: "text", required: "", maxlength: "256", dir: "auto", value: text, autocomplete: "off" }),
    query: element("input", { type: "text", maxlength: "256", dir: "auto", value: query, autocomplete: "off", placeholder: "nothing: the empty box" }),
    match: element("select", {}, ...Object.entries(KINDS).map(([value, said]) => new Option(said, value))),
    place: element("input", { type: "number", min: "1", max: String(MOST_PLACE), value: "1" }),
    boost: element("input", { type: "number", min: "0", step: "any", placeholder: "empty: it stands at the place" }),
    ends: endChoice(),
  };
  const names = { text: "Text", query: "What people type", match: "When", place: "Place in the list", boost: "Or boost: times as probable", ends: "Ends" };
  const shown = Object.entries(fields).map(([name, field]) => labelled(names[name], field));
  desk.ask("Pin a text", shown, "Pin", async () => {
    const boost = Number(fields.boost.value);
    const stands = boost ? { boost } : { place: Number(fields.place.value) };
    const pin = { text: fields.text.value, query: fields.query.value, match: fields.match.value, model: desk.model, ...stands, ...endTime(fields.ends) };
    await desk.pins.make(pin, `Pinned: “${pin.text}” ${standing(pin)}.`);
  });
}

function standing({ place, boost }) {
  return place ? `at place ${place}` : `boosted ${boost} times`;
}
