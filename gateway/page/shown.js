// What the parts of the page share to show things.

export const SOURCES = {
  SUGGESTION_SOURCE_HISTORY: "log",
  SUGGESTION_SOURCE_CATALOGUE: "catalogue",
  SUGGESTION_SOURCE_GENERATED: "generated",
};

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function percent(share) {
  const value = 100 * share;
  return `${value >= 9.95 ? Math.round(value) : value >= 0.1 ? value.toFixed(1) : "<0.1"}%`;
}

export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
}

/** By state: its name, and what the page says while something is wrong. */
export const STATES = {
  idle: ["ready", ""],
  socket: ["live", ""],
  fetch: ["live, by HTTP", ""],
  slow: ["waiting", "The answer takes longer than usual."],
  down: ["trying again", "The server does not answer just now. Go on typing: suggestions come back by themselves."],
};
