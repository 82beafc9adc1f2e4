// Taking down and showing again: what the sections do with entries of the deny list.

import { element } from "../page/shown.js";
import { endChoice, endTime, labelled, shortName } from "./parts.js";

const MATCH = "MATCH_OPERATOR_";

/** What an entry takes down, in words. */
export const KINDS = {
  [`${MATCH}EXACT`]: "exactly this",
  [`${MATCH}CONTAINS`]: "all that has it in it",
  [`${MATCH}PATTERN`]: "regular expression",
  [`${MATCH}GENERATED`]: "generated text",
  [`${MATCH}EVERYTHING`]: "all suggestions",
};

export function isSwitch({ matchOperator }) {
  return [`${MATCH}GENERATED`, `${MATCH}EVERYTHING`].includes(matchOperator);
}

/** Takes down; `entry` is a `DenyListEntry` without creator. */
export function takeDown(desk, entry) {
  return desk.denied.make(entry, `Taken down: ${told(entry)}.`);
}

/** Shows again what an entry takes down. */
export function showAgain(desk, entry) {
  desk.denied.remove(entry, `Shown again: ${told(entry)}.`);
}

/** Asks what to take down, beginning with a phrase. */
export function askWhatToTakeDown(desk, phrase) {
  const kinds = Object.entries(KINDS).filter(([matchOperator]) => !isSwitch({ matchOperator }));
  const fields = {
    phrase: element("input", { type: "text", required: "", maxlength: "256", dir: "auto", value: phrase, autocomplete: "off" }),
    kind: element("select", {}, ...kinds.map(([value, text]) => new Option(text, value))),
    model: modelChoice(desk),
    reason: reasonField(),
    ends: endChoice(),
  };
  const names = { phrase: "Text", kind: "Take down", model: "Where", reason: "Why", ends: "Ends" };
  const shown = Object.entries(fields).map(([name, field]) => labelled(names[name], field));
  desk.ask("Take down", shown, "Take down", () => {
    const { phrase, kind, model, reason, ends } = fields;
    return takeDown(desk, { phrase: phrase.value, matchOperator: kind.value, model: model.value, reason: reason.value, ...endTime(ends) });
  });
}

/** A choice of all models or one; the one that is worked on comes first if there are several. */
export function modelChoice(desk) {
  const options = [new Option("all models", ""), ...desk.models.map(({ name }) => new Option(shortName(name), name))];
  return element("select", {}, ...options);
}

export function reasonField() {
  return element("input", { type: "text", maxlength: "1024", placeholder: "for those who read the list later" });
}

/** An entry in words. */
export function told({ phrase, matchOperator, model }) {
  const what = isSwitch({ matchOperator }) ? KINDS[matchOperator] : `“${phrase}”`;
  return model ? `${what} of ${shortName(model)}` : what;
}
