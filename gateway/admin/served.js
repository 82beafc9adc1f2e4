// What is served: each model with its version, its figures, and what stands in the way of a newer version.

import { element, percent } from "../page/shown.js";
import { card, facts, note, redraw, shortName, when } from "./parts.js";

const COUNT = new Intl.NumberFormat("en");
const STATES = { STATE_ACTIVE: "answers", STATE_LOADING: "is being read", STATE_FAILED: "failed: no version of it could be read" };

export class Served {
  #desk;
  #body;

  constructor(desk) {
    this.#desk = desk;
    const made = card("What is served");
    this.element = made.element;
    this.#body = made.body;
  }

  show() {
    const { models, denied } = this.#desk;
    const shown = () => models.map((model) => this.#model(model));
    redraw(this.#body, [models, denied.items.length], () => (models.length ? shown() : [note("No model is served.")]));
  }

  #model(model) {
    const { version, latestVersion, latestVersionError: error } = model;
    const down = this.#desk.denied.items.filter((entry) => entry.model === model.name || !entry.model).length;
    const waiting = latestVersion && latestVersion !== version ? latestVersion : "";
    const pairs = [
      ["State", STATES[model.state] ?? model.state],
      ["Version", version],
      ...(model.servedVersions ?? []).map((each) => [`Share of ${each.version}`, shared(each)]),
      ["Newest version", waiting],
      ["It does not answer because", error?.message],
      ["Trained", when(model.createTime)],
      ["Queries and titles", COUNT.format(model.queryCount)],
      ...model.languageModels.map((each) => [`Model “${each.name}”`, language(each)]),
      ["Taken down", COUNT.format(down)],
    ];
    return element("div", { class: "model" }, element("h3", {}, shortName(model.name)), facts(pairs));
  }
}

/** The share of the users that a version answers, and why it is not the one that it is meant to be. */
function shared({ share, configuredShare, error }) {
  return error ? `none, for ${error.message} It is meant to have ${percent(configuredShare)}.` : `${percent(share)} of the users`;
}

function language({ unit, vocabularySize, ngramOrder, ngramCount, neuralKind, parameterCount }) {
  const parts = [`${COUNT.format(vocabularySize)} ${unit}s`];
  if (ngramOrder) parts.push(`${COUNT.format(ngramCount)} n-grams to order ${ngramOrder}`);
  if (neuralKind) parts.push(`${neuralKind} of ${COUNT.format(parameterCount)} parameters`);
  return parts.join(", ");
}
