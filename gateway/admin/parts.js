// What the sections share to show things.

import { element } from "../page/shown.js";

const TIME = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const HOUR_S = 3600;
const ENDS = [["never", 0], ["in an hour", HOUR_S], ["in a day", 24 * HOUR_S], ["in a week", 7 * 24 * HOUR_S], ["in 30 days", 30 * 24 * HOUR_S]];
const drawn = new WeakMap(); // what places show
let cards = 0;

/** A section of the page with a title; `body` is where its content goes. */
export function card(title, { wide = false, help = "" } = {}) {
  const id = `card-${(cards += 1)}`;
  const body = element("div", { class: "body" });
  const head = element("div", { class: "head" }, element("h2", { id }, title));
  if (help) head.append(element("p", { class: "help" }, help));
  const attributes = { class: wide ? "card wide" : "card", "aria-labelledby": id };
  return { element: element("section", attributes, head, body), body };
}

/** A button; `about` completes its name for those who do not see what stands beside it, `key` is for `redraw`. */
export function button(text, onClick, { about = "", kind = "plain", key = "" } = {}) {
  const made = element("button", { type: "button", class: kind }, text);
  if (about) made.setAttribute("aria-label", `${text}: ${about}`);
  if (key) made.dataset.key = key;
  made.addEventListener("click", onClick);
  return made;
}

/**
 * Draws a place anew if the data that it shows has changed; else what is selected there stays so. The button that had
 * the focus there has it again, if it is still there.
 */
export function redraw(place, data, parts) {
  const shown = JSON.stringify(data);
  if (drawn.get(place) === shown) return;
  drawn.set(place, shown);
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...parts());
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

export function note(text) {
  return element("p", { class: "empty" }, text);
}

/** A field with its label. */
export function labelled(text, field) {
  return element("label", { class: "labelled" }, element("span", {}, text), field);
}

/** A choice of when something ends; `endTime` is the field that it makes. */
export function endChoice() {
  return element("select", {}, ...ENDS.map(([text, seconds]) => new Option(text, String(seconds))));
}

export function endTime(choice) {
  const seconds = Number(choice.value);
  return seconds ? { expireTime: new Date(Date.now() + 1000 * seconds).toISOString() } : {};
}

/** A table with a row for each item; `columns` are [name, (item) => content]. */
export function table(name, columns, items) {
  const heads = columns.map(([title]) => element("th", { scope: "col" }, title));
  const rows = items.map((item) => {
    const cells = columns.map(([title, show]) => element("td", { "data-title": title }, ...[show(item) ?? ""].flat()));
    return element("tr", {}, ...cells);
  });
  const head = element("thead", {}, element("tr", {}, ...heads));
  return element("table", { class: "rows", "aria-label": name }, head, element("tbody", {}, ...rows));
}

export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== undefined && value !== null);
  return element("dl", { class: "facts" }, ...shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

export function when(time) {
  return time ? TIME.format(new Date(time)) : "";
}

export function shortName(model) {
  return model ? model.replace("models/", "") : "all models";
}
