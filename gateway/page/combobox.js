// The search box: an editable combobox with a listbox, as the ARIA Authoring Practices (1.2) describe it.

import { Typing } from "./asking.js";
import { element, percent, phrase, SOURCES } from "./shown.js";

const ANNOUNCE_MS = 700; // after the last keystroke, so that a screen reader is not talked over

export class Combobox {
  #input = document.getElementById("query");
  #popup = document.getElementById("popup");
  #list = document.getElementById("suggestions");
  #corrected = document.getElementById("corrected");
  #clear = document.getElementById("clear");
  #live = document.getElementById("live");
  #typing;
  #typed = "";
  #suggestions = [];
  #active = -1;
  #wanted = false; // false after Escape, a choice, or where the focus is elsewhere
  #composing = false;
  #announcing = 0;

  /** `onChosen(text, source)`, `onShown(completion, about)`, `onActive(index)`, `onState(state, error?)` */
  constructor({ onChosen, onShown, onActive, onState }) {
    this.onChosen = onChosen;
    this.onShown = onShown;
    this.onActive = onActive;
    this.#typing = new Typing({ onAnswer: (completion, about) => this.#show(completion, about), onState });
    this.#listen();
  }

  /** Takes the focus and offers the list for what is in the box, or for another text. */
  open(text = this.#input.value) {
    this.#input.focus();
    this.#set(text);
    this.#edited();
  }

  /** Asks again if the list is wanted. */
  refresh() {
    if (this.#wanted) this.#typing.type(this.#typed);
  }

  /** Shows no list until the next answer. */
  clear() {
    this.#suggestions = [];
    this.#list.replaceChildren();
    this.#popup.hidden = true;
    this.#input.setAttribute("aria-expanded", "false");
    this.#activate(-1);
    this.#announce("");
  }

  #listen() {
    const input = this.#input;
    input.addEventListener("input", () => this.#edited());
    input.addEventListener("click", () => this.#popup.hidden && this.#edited());
    input.addEventListener("blur", () => this.#close());
    input.addEventListener("compositionstart", () => (this.#composing = true));
    input.addEventListener("compositionend", () => (this.#composing = false));
    input.addEventListener("keydown", (event) => this.#pressed(event));
    input.form.addEventListener("submit", (event) => {
      event.preventDefault(); // this is a phone's button, because Enter comes by keydown
      if (!this.#composing) this.#choose(this.#active);
    });
    this.#list.addEventListener("pointerdown", (event) => event.preventDefault()); // the box keeps focus and keyboard
    this.#list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(Number(option.dataset.index));
    });
    this.#clear.addEventListener("click", () => this.open(""));
  }

  #edited() {
    this.#typed = this.#input.value;
    this.#clear.hidden = this.#typed === "";
    this.#wanted = true;
    this.#activate(-1);
    this.#typing.type(this.#typed);
  }

  /** Leaves all keys to an input method that is composing, even Enter. Safari reports its last key as 229. */
  #pressed(event) {
    if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey) return;
    const action = this.#actions[event.key];
    if (action?.(event)) event.preventDefault();
  }

  #actions = {
    ArrowDown: () => this.#move(1),
    ArrowUp: () => this.#move(-1),
    Enter: () => {
      this.#choose(this.#active);
      return true;
    },
    Tab: (event) => !event.shiftKey && this.#accept(),
    Escape: () => this.#escape(),
  };

  /** Moves to the next or previous suggestion. What was typed lies between the last and the first. */
  #move(step) {
    if (this.#popup.hidden) {
      this.#edited();
      return true;
    }
    const count = this.#suggestions.length;
    this.#activate(((this.#active + 1 + step + count + 1) % (count + 1)) - 1);
    this.#set(this.#active < 0 ? this.#typed : this.#suggestions[this.#active].text);
    return true;
  }

  /** Takes the active or first suggestion into the box and goes on. Returns false if Tab should move the focus. */
  #accept() {
    const taken = this.#suggestions[Math.max(this.#active, 0)];
    if (this.#popup.hidden || !taken || taken.text === this.#typed) return false;
    this.#set(taken.text);
    this.#edited();
    return true;
  }

  #escape() {
    if (this.#popup.hidden) {
      if (this.#input.value === "") return false;
      this.#set("");
      this.#typed = "";
      this.#clear.hidden = true;
    } else {
      this.#set(this.#typed);
    }
    this.#close();
    return true;
  }

  #choose(index) {
    const suggestion = this.#suggestions[index];
    const text = suggestion?.text ?? this.#input.value.trim();
    if (text === "") return;
    if (this.#composing) {
      this.#input.blur(); // ends the composition, which would otherwise overwrite the text
      this.#input.focus();
    }
    this.#set(text);
    this.#typed = text;
    this.#clear.hidden = false;
    this.#close();
    this.onChosen(text, suggestion?.source ?? null);
  }

  #set(text) {
    if (this.#input.value !== text) this.#input.value = text;
  }

  #close() {
    this.#wanted = false;
    this.#typing.cancel();
    this.clear();
  }

  #show(completion, about) {
    const before = this.#suggestions[this.#active]?.text;
    this.#suggestions = completion.suggestions ?? [];
    this.#list.replaceChildren(...this.#suggestions.map(option));
    const none = this.#suggestions.length === 0;
    this.#corrected.hidden = !completion.correctedQuery;
    this.#corrected.replaceChildren("Also looked for ", element("b", {}, completion.correctedQuery ?? ""));
    this.#popup.hidden = none;
    this.#input.setAttribute("aria-expanded", String(!none));
    this.onShown(completion, about);
    this.#activate(before === undefined ? -1 : this.#suggestions.findIndex((each) => each.text === before));
    if (about.final) this.#announce(none ? "No suggestions" : `${this.#suggestions.length} suggestions`);
  }

  #activate(index) {
    this.#list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    this.#active = index;
    const option = this.#list.children[index];
    if (option) {
      option.setAttribute("aria-selected", "true");
      option.scrollIntoView({ block: "nearest" });
      this.#input.setAttribute("aria-activedescendant", option.id);
    } else {
      this.#input.removeAttribute("aria-activedescendant");
    }
    this.onActive(index);
  }

  #announce(text) {
    clearTimeout(this.#announcing);
    this.#announcing = setTimeout(() => (this.#live.textContent = text), ANNOUNCE_MS);
  }
}

/** A row of the list. */
function option(suggestion, index) {
  const from = element("span", { class: "from" }, `${SOURCES[suggestion.source] ?? "other"} · `);
  const about = element("span", { class: "about" }, from, percent(suggestion.acceptanceProbability));
  const attributes = { role: "option", id: `suggestion-${index}`, "aria-selected": "false", "data-index": index };
  return element("li", attributes, phrase(suggestion.segments), about);
}
