// Puts the page's parts together, and waits for a server that is away.

import { pause } from "./asking.js";
import { Combobox } from "./combobox.js";
import { Examples } from "./examples.js";
import { GhostText } from "./ghost.js";
import { Inspector } from "./inspector.js";
import { element, SOURCES } from "./shown.js";

// by state: its name, and what the page says while something is wrong
const STATES = {
  live: ["live", ""],
  slow: ["waiting", "The answer takes longer than usual."],
  down: ["away", "The server does not answer just now. Suggestions come back by themselves."],
};

const CALM_MS = 20_000;

const link = document.getElementById("link");
const chosen = document.getElementById("chosen");
let failures = 0;
let failedAt = 0;
let again = 0;

const inspector = new Inspector();
const onState = showState;
const onShown = (answer, about) => inspector.show(answer, about);
const combobox = new Combobox({ onChosen: showChosen, onShown, onActive: (index) => inspector.mark(index), onState });
const ghost = new GhostText({ onShown, onState });
const examples = new Examples({
  onChosen: ({ query, text }) => (text ? ghost.open(text) : combobox.open(query)),
  onShown: (completion, about) => inspector.empty && inspector.show(completion, about),
  onState,
});

const asked = new URLSearchParams(location.search).get("q");
if (asked) {
  document.getElementById("query").value = asked; // an address bar's search
  showChosen(asked, null);
} else if (matchMedia("(hover: hover)").matches) {
  combobox.open();
}
examples.refresh();

function showChosen(text, source) {
  const from = source ? ` (${SOURCES[source] ?? "other"})` : "";
  const note = "Your application would now search for this query. This page only shows it.";
  chosen.replaceChildren("Chosen: ", element("b", { dir: "auto" }, text), from, element("small", {}, note));
  chosen.hidden = false;
}

/** `state` as in asking.js. A list that is no answer to what is in the field does not stay. */
function showState(state, error) {
  if (state === "lost") return refresh();
  if (state === "slow" && link.dataset.state === "down") return;
  if (state === "down") again ||= setTimeout(refresh, Math.max(waitMs(), error?.retryMs || 0));
  if (state === "down" || state === "refused") [combobox, ghost, inspector].forEach((each) => each.clear());
  const message = document.getElementById("message");
  const [name, text] = STATES[state] ?? ["live", error?.message ?? "The server refused this."];
  link.dataset.state = state;
  document.getElementById("link-text").textContent = name;
  message.textContent = text;
  message.hidden = text === "";
}

/** How long to leave the server alone: longer with each failure, until there is none for a while. */
function waitMs() {
  const now = performance.now();
  failures = now - failedAt < CALM_MS ? failures + 1 : 1;
  failedAt = now;
  return pause(failures);
}

function refresh() {
  again = 0;
  [combobox, ghost, examples].forEach((each) => each.refresh());
}
