// Type what people type: the list that they see, why each suggestion stands where it stands, and taking down.

import { element, percent, phrase, SOURCES } from "../page/shown.js";
import { askWhatToTakeDown } from "./deny.js";
import { askWhatToPin } from "./pins.js";
import { button, card, facts, labelled, note, redraw } from "./parts.js";

const WAIT_MS = 150; // after the last letter
const SHOWN = 10;

export class Search {
  #desk;
  #list = element("div", { "aria-live": "polite" });
  #box = element("input", { type: "search", maxlength: "256", dir: "auto", autocomplete: "off", autocapitalize: "none", spellcheck: "false", placeholder: "Empty: what is most popular" });
  #timer = 0;
  #asked = 0;
  #open = new Set(); // texts whose reasons are shown

  constructor(desk) {
    this.#desk = desk;
    desk.search = (query) => this.#search(query);
    const made = card("What people see", { wide: true });
    this.element = made.element;
    this.#box.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
    });
    const any = button("Take down a text", () => askWhatToTakeDown(desk, this.#box.value.trim()));
    made.body.append(element("div", { class: "line" }, labelled("What people type", this.#box), any), this.#list);
  }

  /** The list as it is now, for what is typed. */
  show() {
    this.#ask();
  }

  #search(query) {
    this.#box.value = query;
    this.#box.focus();
    this.#ask();
  }

  async #ask() {
    const { model } = this.#desk;
    const asked = (this.#asked += 1);
    if (!model) return this.#say("No model is served.");
    try {
      const message = { query: this.#box.value, model, maxSuggestions: SHOWN, explain: true };
      const answer = await this.#desk.call("POST", "./v1:completeQuery", message);
      if (asked === this.#asked) this.#draw(answer);
    } catch (error) {
      if (asked === this.#asked) this.#say(error.message);
    }
  }

  #say(text) {
    redraw(this.#list, text, () => [note(text)]);
  }

  #draw(answer) {
    const { suggestions } = answer;
    const rows = suggestions.map((each, place) => this.#row(each, place, suggestions));
    const about = [
      ["Looked for", answer.normalizedQuery.trim() && `“${answer.normalizedQuery.trim()}”`],
      ["Corrected to", answer.correctedQuery],
      ["Answered by", `${answer.model.replace("models/", "")} ${answer.modelVersion}`],
      ["Degraded", answer.degraded ? "a part was left out" : ""],
    ];
    const list = rows.length ? element("ol", { class: "found" }, ...rows) : note("Nothing is shown for this.");
    redraw(this.#list, [this.#box.value, { ...answer, timings: [], attributionToken: "" }], () => [list, facts(about)]);
  }

  #row(suggestion, place, all) {
    const { text } = suggestion;
    const reasons = element("div", { class: "reasons" }, ...why(suggestion, place, all));
    reasons.hidden = !this.#open.has(text);
    const toggle = button("Why", () => {
      reasons.hidden = !reasons.hidden;
      toggle.setAttribute("aria-expanded", String(!reasons.hidden));
      this.#open[reasons.hidden ? "delete" : "add"](text);
    }, { about: text, key: `why ${text}` });
    toggle.setAttribute("aria-expanded", String(!reasons.hidden));
    const down = button("Take down", () => askWhatToTakeDown(this.#desk, text), { about: text, key: `down ${text}` });
    const pin = button("Pin", () => askWhatToPin(this.#desk, { query: this.#box.value, text }), { about: text, key: `pin ${text}` });
    const about = element("span", { class: "about" }, suggestion.pinned ? "pinned · " : "", `${SOURCES[suggestion.source] ?? "other"} · ${percent(suggestion.acceptanceProbability)}`);
    const line = element("div", { class: "line" }, phrase(suggestion.segments), about, element("span", { class: "does" }, toggle, pin, down));
    return element("li", {}, line, reasons);
  }
}

/** Why a suggestion has its place: what is known of it, and how that compares with its neighbours. */
function why(suggestion, place, all) {
  const { acceptanceProbability: share, explanation = {}, source, payload } = suggestion;
  const known = (name) => explanation[name] !== undefined;
  const terms = [
    ["Place", suggestion.pinned ? "an operator pinned or boosted it" : "by its probability"],
    ["Comes from", { SUGGESTION_SOURCE_HISTORY: "the query log", SUGGESTION_SOURCE_CATALOGUE: "the catalogue", SUGGESTION_SOURCE_GENERATED: "the language models: nobody typed it", SUGGESTION_SOURCE_TRENDING: "what several users submit at present" }[source] ?? SOURCES[source]],
    ["Asked for", known("popularityLogProbability") ? `${percent(Math.exp(explanation.popularityLogProbability))} of all queries` : "never, as far as the log knows"],
    ["N-gram model", probable(explanation.ngramLogProbability)],
    ["Neural model", probable(explanation.neuralLogProbability)],
    ["Typing errors", explanation.editCount ? `${explanation.editCount} corrected: that costs it places` : "none"],
    ["Payload", payload],
  ];
  const wanted = `Of a hundred people who typed this, about ${number(100 * share)} want it`;
  const below = all[place + 1];
  const compared = below ? `; the next one, “${below.text}”, ${number(100 * below.acceptanceProbability)}.` : ".";
  return [element("p", {}, wanted + compared), facts(terms)];
}

function probable(log) {
  return log === undefined ? "" : `${percent(Math.exp(log))} that what is not typed goes on so (ln ${log.toFixed(2)})`;
}

function number(value) {
  return value >= 9.95 ? value.toFixed(0) : value.toPrecision(2);
}
