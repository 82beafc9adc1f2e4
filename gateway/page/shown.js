// What the parts of the page share to show things.

export const SOURCES = {
  SUGGESTION_SOURCE_HISTORY: "log",
  SUGGESTION_SOURCE_CATALOGUE: "catalogue",
  SUGGESTION_SOURCE_GENERATED: "generated",
  SUGGESTION_SOURCE_TRENDING: "trending",
  SUGGESTION_SOURCE_PERSONAL: "yours",
};

const SHARE = new Intl.NumberFormat("en", { style: "percent", minimumSignificantDigits: 2, maximumSignificantDigits: 2 });

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A suggestion's text. What was not typed is bold. */
export function phrase(segments) {
  const pieces = segments.map(({ text, typed }) => (typed ? text : element("b", {}, text)));
  return element("span", { class: "phrase", dir: "auto" }, ...pieces);
}

export function percent(share) {
  return share < 1e-6 ? "<0.0001%" : SHARE.format(share);
}
