// What the sections stand on: the models, what is taken down, who works here, and one way to change things.

import { Collection } from "./collection.js";

const LOOK_MS = 5000; // between two looks at what others have changed, for each thousand entries
const AGAIN_MS = 1000; // after a look that failed
const TIMEOUT_MS = 10_000;
const PAGE = 1000; // entries of one answer
const MAX_PAGES = 20;
const NAME = "autocomplete.operator";

export class Desk {
  models = [];
  denied = new Collection(this, "./v1/denyListEntries", "denyListEntries");
  pins = new Collection(this, "./v1/pins", "pins");
  search = () => {}; // shows what people see for a query; set by that section
  #sections = [];
  #dialog = document.getElementById("dialog");
  #model = document.getElementById("model");
  #operator = document.getElementById("operator");
  #looks = Promise.resolve();
  #timer = 0;
  #failure = ""; // of the last thing that was tried
  #isAway = false;
  #undo = null;

  constructor() {
    this.#operator.value = localStorage.getItem(NAME) ?? "";
    this.#operator.addEventListener("change", () => localStorage.setItem(NAME, this.operator));
    this.#model.addEventListener("change", () => this.refresh());
    document.getElementById("undo").addEventListener("click", () => this.#takeBack());
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  /** The model that is worked on, such as `models/shop`; empty where there is none. */
  get model() {
    return this.#model.value;
  }

  get operator() {
    return this.#operator.value.trim();
  }

  /** Shows sections. Each has an `element`, `show()` and, if it asks for something of its own, `load()`. */
  open(sections) {
    this.#sections = sections;
    document.getElementById("sections").replaceChildren(...sections.map((each) => each.element));
    this.refresh();
  }

  /** Calls the API. Throws an Error whose message says what is wrong and what to do. */
  async call(verb, path, message) {
    const asked = { method: verb, signal: AbortSignal.timeout(TIMEOUT_MS) };
    if (message !== undefined) Object.assign(asked, { headers: { "content-type": "application/json" }, body: JSON.stringify(message) });
    let response;
    try {
      response = await fetch(path, asked);
    } catch {
      throw Object.assign(new Error("The gateway does not answer. Nothing was changed, as far as this page knows."), { away: true });
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw Object.assign(new Error(answer.message || `HTTP ${response.status}`), { away: response.status >= 500 });
  }

  /** Asks for everything again, and shows it. */
  async refresh() {
    clearTimeout(this.#timer);
    const look = (this.#looks = this.#looks.then(() => this.#look())); // never two at once
    await look;
    if (this.#looks !== look) return; // a later one goes on
    const pages = Math.ceil(this.denied.items.length / PAGE) || 1;
    const waitMs = this.#isAway ? AGAIN_MS : pages * LOOK_MS;
    this.#timer = setTimeout(() => document.hidden || this.refresh(), waitMs);
  }

  /** All items that a method lists under a name, or the first of very many: `complete` says which. */
  async list(path, name) {
    const items = [];
    let token = "";
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const answer = await this.call("GET", `${path}?pageSize=${PAGE}&pageToken=${token}`);
      items.push(...answer[name]);
      token = answer.nextPageToken;
      if (!token) break;
    }
    return { items, complete: !token };
  }

  /** Makes a change, says that it is done, and offers to take it back. Throws what `act` throws. */
  async change(done, act, undo) {
    await act();
    this.#say(done, undo);
    await this.refresh();
  }

  /** Shows what went wrong with something that an operator did. */
  failed(error) {
    this.#undo = null;
    document.getElementById("done").hidden = true;
    this.#failure = error.message;
    this.#tell("");
  }

  /** Shows a form in the dialog, and does `act` with it as it is sent: closed once that is done, else the form says why not. */
  ask(title, fields, sendText, act) {
    const dialog = this.#dialog;
    const form = document.createElement("form");
    const heading = Object.assign(document.createElement("h2"), { id: "dialog-title", textContent: title });
    const wrong = Object.assign(document.createElement("p"), { className: "message", hidden: true });
    wrong.setAttribute("role", "alert");
    const send = Object.assign(document.createElement("button"), { className: "strong", textContent: sendText });
    const leave = Object.assign(document.createElement("button"), { type: "button", className: "plain", textContent: "Cancel" });
    leave.addEventListener("click", () => dialog.close());
    const buttons = Object.assign(document.createElement("div"), { className: "buttons" });
    buttons.append(leave, send);
    form.append(heading, ...fields, wrong, buttons);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      try {
        await act();
        dialog.close();
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
      } finally {
        send.disabled = false;
      }
    });
    dialog.replaceChildren(form);
    dialog.showModal();
  }

  /** What cannot be had leaves the rest as it is. */
  async #look() {
    const failures = [];
    const had = (asked) => asked.catch((error) => failures.push(error));
    await had(this.#lookAtModels());
    await Promise.all([this.denied.load(), ...this.#sections.map(async (each) => each.load?.())].map(had));
    const [failure] = failures;
    this.#isAway = Boolean(failure?.away);
    this.#tell(this.#isAway ? `${failure.message} What is shown may be old; it comes back by itself.` : (failure?.message ?? ""));
    document.getElementById("link").dataset.state = this.#isAway ? "down" : "live";
    document.getElementById("link-text").textContent = this.#isAway ? "away" : "live";
    for (const each of this.#sections) each.show();
  }

  async #lookAtModels() {
    this.models = (await this.list("./v1/models", "models")).items;
    this.#offerModels();
  }

  #offerModels() {
    const names = this.models.map(({ name }) => name);
    const offered = [...this.#model.options].map(({ value }) => value);
    if (names.join() === offered.join()) return;
    const chosen = this.model;
    this.#model.replaceChildren(...names.map((name) => new Option(name.replace("models/", ""), name)));
    if (names.includes(chosen)) this.#model.value = chosen;
  }

  #say(text, undo) {
    this.#undo = undo;
    document.getElementById("done-text").textContent = text;
    document.getElementById("undo").hidden = !undo;
    document.getElementById("done").hidden = false;
    this.#failure = "";
    this.#tell("");
  }

  async #takeBack() {
    const undo = this.#undo;
    this.#undo = null;
    document.getElementById("undo").hidden = true;
    try {
      await undo();
      this.#say("Undone.", null);
      await this.refresh();
    } catch (error) {
      this.failed(error);
    }
  }

  #tell(trouble) {
    const text = trouble || this.#failure;
    const message = document.getElementById("message");
    if (message.textContent !== text) message.textContent = text;
    message.hidden = text === "";
  }
}
