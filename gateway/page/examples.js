// Examples to try, one of each kind. The server's own answers make them, so that they suit whatever it has learnt.

import { Poster, post } from "./asking.js";
import { spaced } from "./ghost.js";
import { element, phrase, SOURCES } from "./shown.js";

const POPULAR = 20; // queries that are tried
const SHOWN = 10; // of them
const LONGEST = 16; // characters of such a query
const WORDS = 6; // of a text
const LEAST = 0.01; // probability that is worth showing

export class Examples {
  #place = document.getElementById("examples");
  #poster;
  #chips = document.getElementById("chips");

  /** `onChosen({query} | {text})`, `onShown(completion, about)` with popular queries, `onState(state, error?)` */
  constructor({ onChosen, onShown, onState }) {
    this.onChosen = onChosen;
    this.#poster = new Poster("./v1:completeQuery", {
      onAnswer: (completion, query, tookMs) => {
        const { suggestions } = completion;
        onShown({ ...completion, suggestions: suggestions.slice(0, SHOWN) }, { query, tookMs, way: "HTTP", final: true });
        this.#find(suggestions.map(({ text }) => text));
      },
      onState: (state, error) => {
        if (state === "refused") this.#find([]); // a model of text alone
        onState(state === "refused" ? "live" : state, error);
      },
    });
  }

  refresh() {
    this.#poster.ask({ maxSuggestions: POPULAR, explain: true }, "");
  }

  async #find(popular) {
    const short = popular.filter((text) => [...text].length <= LONGEST);
    const asked = [logged(short), generated(short), corrected(short.toReversed()), nextWord()];
    const found = await Promise.all(asked.map((each) => each.catch(() => null)));
    const chips = found.filter(Boolean).map(([kind, chosen, shown]) => {
      const chip = element("button", { type: "button" }, element("small", {}, kind), " ", shown);
      chip.addEventListener("click", () => this.onChosen(chosen));
      return chip;
    });
    this.#chips.replaceChildren(...chips);
    this.#place.hidden = chips.length === 0;
  }
}

/** A popular query that comes first when half of it is typed. */
async function logged(popular) {
  for (const text of popular) {
    const letters = [...text];
    const query = letters.slice(0, Math.ceil(letters.length / 2)).join("");
    const [first] = await completions(query);
    if (first?.text === text) return [SOURCES[first.source], { query }, phrase(first.segments)];
  }
  return null;
}

/** The most probable generated query that goes on from a popular one. */
async function generated(popular) {
  const queries = popular.slice(0, SHOWN).map((text) => `${text} `);
  const lists = await Promise.all(queries.map(completions));
  const found = lists.flatMap((list, place) => list.map((each) => ({ ...each, query: queries[place] })));
  const [best] = found
    .filter((each) => SOURCES[each.source] === "generated" && each.acceptanceProbability >= LEAST)
    .sort((one, other) => other.acceptanceProbability - one.acceptanceProbability);
  return best && ["generated", { query: best.query }, phrase(best.segments)];
}

/** A popular query that comes first although two of its letters have changed places. */
async function corrected(popular) {
  for (const text of popular) {
    const query = text.replace(/(?<=\p{L}{2,})(\p{L})(?!\1)(\p{L})/u, "$2$1");
    const [first] = query === text ? [] : await completions(query);
    if (first?.text === text) return ["corrected", { query }, phrase([{ text: `${query} → `, typed: true }, { text }])];
  }
  return null;
}

/** The beginning of a text after which the next word saves most letters. */
async function nextWord() {
  let best = { saved: 0 };
  let text = "";
  for (let word = 0; word < WORDS; word += 1) {
    const { suggestions: [first], replaceStart } = await post("./v1:predictNextWord", { text, maxSuggestions: 1 });
    if (!first) break;
    const saved = Math.exp(first.logProbability) * first.text.length;
    if (text && saved > best.saved) best = { saved, text, word: first.text };
    text = [...text].slice(0, replaceStart).join("") + spaced(first.text);
  }
  return best.text && ["next word", { text: best.text }, phrase([{ text: best.text, typed: true }, { text: best.word }])];
}

async function completions(query) {
  return (await post("./v1:completeQuery", { query })).suggestions;
}
