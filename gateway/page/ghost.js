// The text field: the next word in grey behind the cursor where the model is sure of it, and a choice of words below.

import { Poster } from "./asking.js";
import { element, percent } from "./shown.js";

const MAX_SENT = 2000; // code points; the models look at far less
const MIN_PROBABILITY = 0.01; // of the words below
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]$/u;

export class GhostText {
  #field = document.getElementById("text");
  #mirror = document.getElementById("mirror");
  #written = document.getElementById("written");
  #ghost = document.getElementById("ghost");
  #words = document.getElementById("words");
  #best = null;

  /** `onShown(answer, {query, tookMs, way})`, `onState(state, error?)` */
  constructor({ onShown, onState }) {
    this.onShown = onShown;
    this.poster = new Poster("./v1:predictNextWord", {
      onAnswer: (answer, asked, tookMs) => {
        this.#show(answer, asked);
        this.onShown(answer, { query: asked.text, tookMs, way: "HTTP", final: true });
      },
      onState,
    });
    this.#listen();
  }

  /** Takes the focus with another text. */
  open(text) {
    this.#field.focus();
    this.#field.value = text;
    this.#ask();
  }

  /** Asks again if there is a text. */
  refresh() {
    if (this.#field.value) this.#ask();
  }

  /** Shows no words until the next answer. */
  clear() {
    this.#best = null;
    this.#words.replaceChildren();
    this.#draw();
  }

  #listen() {
    const field = this.#field;
    field.addEventListener("input", () => this.#ask());
    field.addEventListener("focus", () => this.#ask());
    field.addEventListener("scroll", () => (this.#mirror.scrollTop = field.scrollTop));
    document.addEventListener("selectionchange", () => this.#draw());
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229 || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
      const shown = this.#ghost.textContent !== "";
      const forwards = getComputedStyle(field).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
      if (shown && (event.key === "Tab" || event.key === forwards)) {
        event.preventDefault();
        this.#take(this.#best);
      } else if (shown && event.key === "Escape") {
        event.preventDefault();
        this.poster.cancel();
        this.clear();
      }
    });
    this.#words.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#words.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.#take(button.dataset);
    });
  }

  #ask() {
    const points = [...this.#field.value];
    const skipped = Math.max(0, points.length - MAX_SENT);
    const text = points.slice(skipped).join("");
    this.#best = null;
    this.#draw();
    this.poster.ask(
      { text, maxSuggestions: 5, minProbability: MIN_PROBABILITY, explain: true },
      { text, whole: this.#field.value, skipped },
    );
  }

  #show(answer, asked) {
    if (asked.whole !== this.#field.value) return;
    const begin = [...asked.whole].slice(0, asked.skipped + answer.replaceStart).join("").length;
    const words = answer.suggestions.map((each) => ({ text: each.text, begin, share: Math.exp(each.logProbability) }));
    this.#best = words[0] ? { ...words[0], ghost: answer.ghostText } : null;
    this.#words.replaceChildren(...words.map(wordButton));
    this.#draw();
  }

  /** Draws the grey rest of the best word if the cursor is at the end of the text. */
  #draw() {
    const { value, selectionStart, selectionEnd } = this.#field;
    const atEnd = document.activeElement === this.#field && selectionStart === value.length && selectionEnd === value.length;
    this.#written.textContent = value;
    this.#ghost.textContent = (atEnd && this.#best?.ghost) || "";
    this.#mirror.scrollTop = this.#field.scrollTop;
  }

  /** Replaces the typed part of a word by the whole word. The user can undo it. */
  #take({ text, begin }) {
    const field = this.#field;
    field.focus();
    field.setSelectionRange(Number(begin), field.value.length);
    const typed = spaced(text);
    if (!document.execCommand("insertText", false, typed)) {
      field.setRangeText(typed, Number(begin), field.value.length, "end");
      this.#ask();
    }
  }
}

/** A word and the space that its script puts after it. */
export function spaced(word) {
  return word + (UNSPACED.test(word) ? "" : " ");
}

function wordButton({ text, begin, share }) {
  const attributes = { type: "button", "data-text": text, "data-begin": begin };
  return element("button", attributes, element("span", { dir: "auto" }, text), element("small", {}, percent(share)));
}
