// Asks the gateway for completions of what is typed, over a WebSocket or, if there is none, by HTTP.
// Drops answers to older keystrokes, so that a late answer never takes the place of a newer one.

// Addresses are relative to the page, which may lie under a path of a site. They begin with "./" because a browser
// would take "v1:" for a scheme.
const SOCKET_PATH = "./v1:streamCompleteQuery";
const SLOW_MS = 1200; // after this time the page says so
const LOST_MS = 5000; // after this time the page gives up the socket, or asks again
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const CONFIG = { explain: true };

/** How long to wait after so many failures, one after the other. */
export function pause(failures) {
  return RETRY_MS[Math.min(failures, RETRY_MS.length) - 1];
}

/** Posts JSON. Throws an Error with the `status` and, if the server said when to retry, `retryMs`. */
export async function post(path, message, signal) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
    signal,
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const error = new Error(answer.message || `HTTP ${response.status}`);
  error.status = response.status;
  error.retryMs = 1000 * Number(response.headers.get("retry-after"));
  throw error;
}

/** Asks by HTTP, for the newest message only. */
export class Poster {
  #path;
  #abort = null;
  #timers = [];

  /** `onAnswer(answer, tag, tookMs)`, `onState("live" | "slow" | "down" | "refused", error?)` */
  constructor(path, { onAnswer, onState }) {
    this.#path = path;
    this.onAnswer = onAnswer;
    this.onState = onState;
  }

  async ask(message, tag) {
    this.cancel();
    const abort = (this.#abort = new AbortController());
    const started = performance.now();
    this.#timers = [
      setTimeout(() => this.onState("slow"), SLOW_MS),
      setTimeout(() => abort.abort(new Error("no answer")), LOST_MS),
    ];
    try {
      const answer = await post(this.#path, message, abort.signal);
      if (abort !== this.#abort) return;
      this.cancel();
      this.onState("live");
      this.onAnswer(answer, tag, performance.now() - started);
    } catch (error) {
      if (abort !== this.#abort) return; // a newer one was asked
      this.cancel();
      const refused = error.status >= 400 && error.status < 500 && error.status !== 429;
      this.onState(refused ? "refused" : "down", error);
    }
  }

  cancel() {
    this.#timers.forEach(clearTimeout);
    const abort = this.#abort;
    this.#abort = null;
    abort?.abort();
  }
}

/** A typing session: call `type` with what is in the box. Answers come until something newer is typed. */
export class Typing {
  #socket = null;
  #sequence = 0;
  #query = "";
  #started = 0;
  #timers = [];
  #socketAgainAt = 0;
  #socketFailures = 0;
  #poster;

  /**
   * `onAnswer(completion, {query, final, tookMs, way})`, `onState(state, error?)` as `Poster`, also "lost": the socket
   * has gone, and with it perhaps the server
   */
  constructor({ onAnswer, onState }) {
    this.onAnswer = onAnswer;
    this.onState = onState;
    this.#poster = new Poster("./v1:completeQuery", {
      onAnswer: (completion, tag, tookMs) => this.#answered(tag, completion, { final: true, tookMs, way: "HTTP" }),
      onState: (state, error) => this.onState(state, error),
    });
  }

  type(query) {
    this.#sequence += 1;
    this.#query = query;
    this.#started = performance.now();
    this.#stopWaiting();
    this.#poster.cancel();
    if (Date.now() < this.#socketAgainAt) {
      this.#post();
      return;
    }
    this.#socket ??= this.#open();
    if (this.#socket.readyState === WebSocket.OPEN) this.#send();
    this.#wait();
  }

  /** Forgets what was asked and drops its answer. */
  cancel() {
    this.#sequence += 1;
    this.#stopWaiting();
    this.#poster.cancel();
  }

  #open() {
    const url = new URL(SOCKET_PATH, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.onopen = () => {
      socket.send(JSON.stringify({ config: CONFIG }));
      if (this.#timers.length) this.#send();
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (Number(message.sequenceNumber) !== this.#sequence) return;
      this.#stopWaiting();
      if (message.error) {
        this.onState("refused", message.error);
        return;
      }
      this.#socketFailures = 0;
      this.onState("live");
      const tookMs = performance.now() - this.#started;
      this.#answered(this.#sequence, message.completion, { final: Boolean(message.isFinal), tookMs, way: "WebSocket" });
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#failed();
    };
    return socket;
  }

  #send() {
    this.#socket.send(JSON.stringify({ keystroke: { sequenceNumber: String(this.#sequence), query: this.#query } }));
  }

  #wait() {
    this.#timers.push(setTimeout(() => this.onState("slow"), SLOW_MS));
    this.#timers.push(setTimeout(() => this.#failed(), LOST_MS));
  }

  /** Uses HTTP for a while, because the socket failed or ended, and begins with what waits for an answer. */
  #failed() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#socketAgainAt = Date.now() + pause(++this.#socketFailures);
    if (this.#timers.length) this.#post();
    else this.onState("lost");
  }

  #post() {
    this.#stopWaiting();
    this.#poster.ask({ ...CONFIG, query: this.#query }, this.#sequence);
  }

  #answered(sequence, completion, about) {
    if (sequence === this.#sequence) this.onAnswer(completion, { ...about, query: this.#query });
  }

  #stopWaiting() {
    this.#timers.forEach(clearTimeout);
    this.#timers = [];
  }
}
