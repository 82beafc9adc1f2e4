// Kill switches: generated text off, or no suggestions at all, for one model or all.

import { element } from "../page/shown.js";
import { isSwitch, KINDS, reasonField, showAgain, takeDown } from "./deny.js";
import { button, card, labelled, note, redraw, shortName, table, when } from "./parts.js";

const SWITCHES = ["MATCH_OPERATOR_GENERATED", "MATCH_OPERATOR_EVERYTHING"];

export class Switches {
  #desk;
  #body;

  constructor(desk) {
    this.#desk = desk;
    const made = card("Kill switches");
    this.element = made.element;
    this.#body = made.body;
  }

  show() {
    const models = ["", ...this.#desk.models.map(({ name }) => name)];
    const columns = [["where", shortName], ...SWITCHES.map((kind) => [KINDS[kind], (model) => this.#control(kind, model)])];
    const switched = this.#desk.denied.items.filter(isSwitch);
    const off = switched.map(({ matchOperator, model, creator, createTime, reason }) =>
      note(`${KINDS[matchOperator]} of ${shortName(model)}: off since ${when(createTime)}${creator && `, by ${creator}`}${reason && ` (${reason})`}`));
    redraw(this.#body, [models, switched], () => [table("Kill switches", columns, models), ...off]);
  }

  #control(matchOperator, model) {
    const entry = this.#desk.denied.items.find((each) => each.matchOperator === matchOperator && each.model === model);
    const name = `${KINDS[matchOperator]} of ${shortName(model)}`;
    const key = `${matchOperator} ${model}`;
    if (!entry) return button("Switch off", () => this.#ask(matchOperator, model, name), { about: name, key });
    return button("Off: switch on", () => showAgain(this.#desk, entry), { about: name, kind: "off", key });
  }

  #ask(matchOperator, model, name) {
    const reason = reasonField();
    const effect = matchOperator === SWITCHES[0]
      ? "Queries and texts that the models put together are no longer shown. What people typed before, titles and next words are."
      : "Nothing is suggested any more: empty lists, no next words, no generated text.";
    const fields = [element("p", {}, effect), labelled("Why", reason)];
    this.#desk.ask(`Switch off ${name}?`, fields, "Switch off", () =>
      takeDown(this.#desk, { matchOperator, model, reason: reason.value }));
  }
}
