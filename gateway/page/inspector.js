// Where a list comes from: the model, the time by stage, the terms of each score.

import { element, milliseconds, percent, SOURCES } from "./shown.js";

const TERMS = [
  ["popularityLogProbability", "popularity", "log probability in the query log"],
  ["ngramLogProbability", "n-gram", "log probability of what was not typed, by the n-gram model"],
  ["neuralLogProbability", "neural", "log probability of what was not typed, by the neural model"],
];

export class Inspector {
  #place = document.getElementById("inspector");
  #rows = [];

  /** Shows an answer of `CompleteQuery` or `PredictNextWord`; `about` has query, tookMs, way and final. */
  show(answer, about) {
    const suggestions = answer.suggestions ?? [];
    const parts = [facts(answer, about)];
    if (answer.timings?.length) parts.push(...stages(answer.timings));
    if (suggestions.length) parts.push(this.#table(suggestions, about.query));
    else parts.push(element("p", { class: "empty" }, "Nothing fits what was typed."));
    this.#place.replaceChildren(...parts);
  }

  /** Marks the row of the active suggestion. */
  mark(index) {
    this.#rows.forEach((row, place) => row.toggleAttribute("data-active", place === index));
  }

  #table(suggestions, query) {
    const explained = suggestions.some((each) => each.explanation);
    const ofQueries = suggestions.some((each) => each.source);
    const terms = explained ? TERMS.filter(([name]) => suggestions.some((each) => name in (each.explanation ?? {}))) : [];
    const edited = suggestions.some((each) => each.explanation?.editCount);
    const heads = ["suggestion", ...(ofQueries ? ["source"] : []), "probability"];
    const titled = [...heads.map((text) => [text, ""]), ...terms.map(([, text, title]) => [text, title])];
    if (edited) titled.push(["edits", "typing errors that were corrected"]);
    this.#rows = suggestions.map((each) => {
      const share = each.acceptanceProbability ?? Math.exp(each.logProbability);
      const cells = [element("th", { scope: "row", dir: "auto" }, each.text)];
      if (ofQueries) cells.push(element("td", { class: "source" }, SOURCES[each.source] ?? "other"));
      cells.push(element("td", {}, bar(share), percent(share)));
      for (const [name] of terms) cells.push(element("td", {}, term(each.explanation?.[name])));
      if (edited) cells.push(element("td", {}, String(each.explanation?.editCount ?? 0)));
      return element("tr", {}, ...cells);
    });
    const head = titled.map(([text, title]) => element("th", { scope: "col", ...(title && { title }) }, text));
    const caption = element("caption", {}, query ? `Suggestions for “${query.trim().slice(-60)}”` : "Popular suggestions");
    const table = element("table", {}, caption, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...this.#rows));
    return element("div", { class: "scroll", role: "region", "aria-label": "Scores", tabindex: "0" }, table);
  }
}

function facts(answer, { tookMs, way, final }) {
  const rows = [
    ["Model", answer.model.replace("models/", "")],
    ["Version", answer.modelVersion],
    ["Round trip", `${milliseconds(tookMs)}, ${way}`],
    ["Answer", final ? "complete" : "fast, being refined"],
  ];
  if (answer.correctedQuery) rows.push(["Corrected", answer.correctedQuery]);
  if (answer.degraded) rows.push(["Degraded", "a part of the ensemble was left out"]);
  const pairs = rows.map(([name, text]) =>
    element("div", {}, element("dt", {}, name), element("dd", name === "Degraded" ? { class: "flag" } : {}, text)),
  );
  return element("dl", { class: "facts" }, ...pairs);
}

function stages(timings) {
  const times = timings.map(({ stage, duration }) => [stage, 1000 * parseFloat(duration)]);
  const total = times.reduce((sum, [, ms]) => sum + ms, 0);
  const strip = element("div", { class: "stages", role: "img", "aria-label": `Time in the server: ${milliseconds(total)}` });
  const legend = element("ul", { class: "legend" });
  times.forEach(([stage, ms], index) => {
    const piece = element("i", { "data-stage": index % 6 });
    piece.style.flexGrow = String(1000 * ms + 1); // below a sum of 1 the pieces would not fill the strip
    strip.append(piece);
    legend.append(element("li", {}, element("i", { "data-stage": index % 6 }), `${stage} ${milliseconds(ms)}`));
  });
  legend.append(element("li", {}, `in the server ${milliseconds(total)}`));
  return [strip, legend];
}

function term(logProbability) {
  return logProbability === undefined ? "–" : (Math.round(100 * logProbability) / 100 || 0).toFixed(2);
}

function bar(share) {
  const filled = element("i");
  filled.style.width = `${Math.max(2, 100 * share)}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}
