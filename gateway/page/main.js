// Puts the page's parts together.

import { Combobox } from "./combobox.js";
import { GhostText } from "./ghost.js";
import { Inspector } from "./inspector.js";
import { element, SOURCES, STATES } from "./shown.js";

const link = document.getElementById("link");
const chosen = document.getElementById("chosen");
const explain = document.getElementById("explain");
explain.checked = matchMedia("(min-width: 60rem)").matches; // the server computes explained answers anew each time

const inspector = new Inspector();
const combobox = new Combobox(
  { explain: explain.checked },
  {
    onChosen: showChosen,
    onShown: (completion, about) => inspector.show(completion, about),
    onActive: (index) => inspector.mark(index),
    onState: (state, error) => showState("query-message", state, error),
  },
);
const ghost = new GhostText(explain.checked, {
  onShown: (answer, about) => inspector.show(answer, about),
  onState: (state, error) => showState("text-message", state === "fetch" ? "socket" : state, error),
});

explain.addEventListener("change", () => {
  combobox.typing.configure({ explain: explain.checked });
  ghost.configure(explain.checked);
  combobox.refresh();
  ghost.refresh();
});

const asked = new URLSearchParams(location.search).get("q");
if (asked) {
  document.getElementById("query").value = asked; // an address bar's search
  showChosen(asked, null);
} else if (matchMedia("(hover: hover)").matches) {
  combobox.focus();
}

function showChosen(text, source) {
  const from = source ? ` (${SOURCES[source] ?? "other"})` : "";
  const note = "Your application would now search for this query. This page only shows it.";
  chosen.replaceChildren("Chosen: ", element("b", { dir: "auto" }, text), from, element("small", {}, note));
  chosen.hidden = false;
}

function showState(place, state, error) {
  const message = document.getElementById(place);
  const [name, text] = STATES[state] ?? ["live", error?.message ?? "The server refused this."];
  link.dataset.state = state;
  document.getElementById("link-text").textContent = name;
  message.textContent = text;
  message.hidden = text === "";
}
