// Where a list comes from: the model, the time by stage, how probable and how popular each suggestion is.

import { element, percent, SOURCES } from "./shown.js";

const POPULARITY = "popularityLogProbability";
const TERMS = [
  [POPULARITY, "ln popularity", "natural logarithm of the popularity"],
  ["ngramLogProbability", "ln n-gram", "log probability of what was not typed, by the n-gram model"],
  ["neuralLogProbability", "ln neural", "log probability of what was not typed, by the neural model"],
];

export class Inspector {
  #place = document.getElementById("inspector");
  #rows = [];
  empty = true;

  /** Shows an answer of `CompleteQuery` or `PredictNextWord`; `about` has query, tookMs, way and final. */
  show(answer, about) {
    const suggestions = answer.suggestions ?? [];
    const timings = (answer.timings ?? []).filter(({ stage }) => stage !== "explain"); // work for this page alone
    const times = timings.map(({ stage, duration }) => [stage, 1000 * parseFloat(duration)]);
    const totalMs = times.reduce((sum, [, ms]) => sum + ms, 0);
    const list = suggestions.length ? this.#table(suggestions, about.query) : note("Nothing fits what was typed.");
    const parts = [list, facts(answer, about, totalMs)];
    if (times.length) parts.push(...stages(times, totalMs));
    this.#place.replaceChildren(...parts);
    this.empty = false;
  }

  clear() {
    this.#place.replaceChildren(note("No list just now."));
    this.empty = true;
  }

  /** Marks the row of the active suggestion. */
  mark(index) {
    this.#rows.forEach((row, place) => row.toggleAttribute("data-active", place === index));
  }

  #table(suggestions, query) {
    const columns = columnsFor(suggestions, query);
    const heads = columns.map(([name, attributes]) => element("th", { scope: "col", ...attributes }, name));
    this.#rows = suggestions.map((each) => {
      const cells = columns.map(([, attributes, show]) => element("td", attributes, ...[show(each)].flat()));
      return element("tr", {}, element("th", { scope: "row", dir: "auto", title: each.text }, each.text), ...cells);
    });
    const caption = element("caption", { class: "hidden" }, `Suggestions for ${query ? `“${query.trim().slice(-60)}”` : "an empty field"}`);
    const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "suggestion"), ...heads));
    const table = element("table", {}, caption, head, element("tbody", {}, ...this.#rows));
    return element("div", { class: "scroll", role: "region", "aria-label": "Scores", tabindex: "0" }, table);
  }
}

function note(text) {
  return element("p", { class: "empty" }, text);
}

/** Name, attributes and content of the columns: what means something to everybody, then logarithms. */
function columnsFor(suggestions, query) {
  const has = (term) => suggestions.some(({ explanation }) => explanation?.[term] !== undefined);
  const columns = [];
  if (suggestions.some(({ source }) => source)) columns.push(["source", { class: "source" }, origin]);
  if (query || !has(POPULARITY)) columns.push(["probability", { title: "that it is what is wanted" }, probability]);
  if (has(POPULARITY)) columns.push(["popularity", { class: "plain", title: "share of all queries in the log" }, popularity]);
  for (const [term, name, title] of TERMS) {
    const show = ({ explanation }) => explanation?.[term]?.toFixed(2) ?? "–";
    if (has(term)) columns.push([name, { class: "log", title }, show]);
  }
  return columns;
}

function origin({ source, explanation }) {
  return (SOURCES[source] ?? "other") + (explanation?.editCount ? ", corrected" : "");
}

function probability({ acceptanceProbability, logProbability }) {
  const share = acceptanceProbability ?? Math.exp(logProbability);
  const filled = element("i");
  filled.style.width = `${Math.max(2, 100 * share)}%`;
  return [element("span", { class: "bar", "aria-hidden": "true" }, filled), element("span", { class: "share" }, percent(share))];
}

function popularity({ explanation }) {
  const log = explanation?.[POPULARITY];
  return log === undefined ? "–" : percent(Math.exp(log));
}

function facts(answer, { tookMs, way, final }, totalMs) {
  const rows = [
    ["Model", answer.model.replace("models/", "")],
    ["Version", answer.modelVersion],
    ["Round trip", `${milliseconds(tookMs)}, ${way}`],
  ];
  if (totalMs) rows.push(["In the server", milliseconds(totalMs)]);
  if (answer.degraded) rows.push(["Degraded", "a part was left out"]);
  else if (!final) rows.push(["Answer", "being refined"]);
  const pairs = rows.map(([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text)));
  return element("dl", { class: "facts" }, ...pairs);
}

/** A strip of colours, one for each stage's name, and what they mean. */
function stages(times, totalMs) {
  const strip = element("div", { class: "stages", role: "img", "aria-label": `Time in the server: ${milliseconds(totalMs)}` });
  const legend = element("ul", { class: "legend" });
  for (const [stage, ms] of times) {
    const piece = element("i", { "data-stage": stage });
    piece.style.flexGrow = String(1000 * ms + 1); // below a sum of 1 the pieces would not fill the strip
    strip.append(piece);
    legend.append(element("li", { "data-stage": stage }, stage, element("br"), milliseconds(ms)));
  }
  return [strip, legend];
}

function milliseconds(value) {
  return `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
}
