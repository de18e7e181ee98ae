// The tunnel's requests, each a POST below the address of Streamlit's WebSocket.

const HEADER = "X-Fluxsync-Tunnel";

// The gateway itself said no.
class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const systemClock = {
  now: () => performance.now(),
  setTimeout: (callback, delay) => window.setTimeout(callback, delay),
  clearTimeout: (timer) => window.clearTimeout(timer),
};

// Resolves when the signal is aborted, or after a while, if a delay is given.
function sleep(clock, delay, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clock.clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = delay === undefined ? undefined : clock.setTimeout(done, delay);
    signal.addEventListener("abort", done);
    if (signal.aborted) {
      done();
    }
  });
}

// Aborts a request that is silent, or that is asked to end.
class Watch {
  #controller = new AbortController();
  #clock;
  #outer;
  #timer;
  #abort = () => this.#controller.abort();

  constructor(clock, outer) {
    this.#clock = clock;
    this.#outer = outer;
    outer?.addEventListener("abort", this.#abort);
    if (outer?.aborted) {
      this.#abort();
    }
  }

  get signal() {
    return this.#controller.signal;
  }

  // Allows so much time from now on.
  allow(delay) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(this.#abort, delay);
  }

  // Ends the request too, if it goes on.
  end() {
    this.#clock.clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
    this.#abort();
  }
}

class Requests {
  #base;
  #fetch;
  #clock;

  // The base is the WebSocket's address without its last two segments.
  constructor(base, fetch, clock) {
    this.#base = base;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  async #post(id, verb, query, body, signal, type = "application/octet-stream") {
    let response;
    try {
      response = await this.#fetch(`${this.#base}/__fluxsync/tunnel/${verb}${query}`, {
        method: "POST",
        headers: { [HEADER]: id, "Content-Type": type },
        body,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal,
      });
    } catch (error) {
      throw new Lost(`no response: ${error.message}`);
    }
    if (!response.ok) {
      throw await readRefusal(response);
    }
    return response;
  }

  // Opens a tunnel: {id, protocol, hold, wait, piece}.
  async open(opening, timeout, signal) {
    const watch = new Watch(this.#clock, signal);
    watch.allow(timeout);
    try {
      const body = JSON.stringify(opening);
      const response = await this.#post("new", "open", "", body, watch.signal, "application/json");
      const opened = await response.json();
      if (typeof opened.id !== "string") {
        throw new Lost("no tunnel");
      }
      return opened;
    } catch (error) {
      throw error instanceof Refused ? error : new Lost(error.message);
    } finally {
      watch.end();
    }
  }

  // Does a request that is answered with records. Returns the last STATE, which there was if
  // nothing is thrown, and whether the response was complete.
  //
  // `patience` is how long the first record may take, `idle` each next one. Without `idle`,
  // the response must be complete in time.
  async records({ id = "new", verb, query, body, patience, idle, signal, onState, onData }) {
    const watch = new Watch(this.#clock, signal);
    const decoder = new RecordDecoder();
    let state = null;
    let failure = null;
    watch.allow(patience);
    try {
      const response = await this.#post(id, verb, query, body, watch.signal);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) {
          break;
        }
        if (idle) {
          watch.allow(idle);
        }
        for (const item of decoder.push(value)) {
          if (item.state) {
            state = item.state;
            onState?.(state);
          } else {
            onData?.(item.position, item.data);
          }
        }
      }
    } catch (error) {
      failure = error;
    } finally {
      watch.end();
    }
    if (failure instanceof Refused || failure instanceof ProtocolError) {
      throw failure;
    }
    if (state === null) {
      throw failure instanceof Lost ? failure : new Lost("no answer");
    }
    // What came before a cut is good.
    return { state, isComplete: failure === null };
  }

  // Says that the page is gone. It's sent even when the page is.
  close(id) {
    const options = {
      method: "POST",
      headers: { [HEADER]: id, "Content-Type": "application/octet-stream" },
      credentials: "same-origin",
      cache: "no-store",
      keepalive: true,
    };
    this.#fetch(`${this.#base}/__fluxsync/tunnel/close`, options).catch(() => {});
  }
}

async function readRefusal(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.headers.has(HEADER) && type.startsWith("application/problem+json")) {
    try {
      const { detail, title } = await response.json();
      return new Refused(response.status, String(detail ?? title));
    } catch {
      // It was cut, hence lost.
    }
  }
  response.body?.cancel().catch(() => {});
  const lost = new Lost(`a proxy's ${response.status}`);
  lost.status = response.status;
  return lost;
}
