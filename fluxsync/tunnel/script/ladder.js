// Which transport a WebSocket gets, and what is remembered of it in this tab.

const WEBSOCKET = "websocket";
const STORED = "fluxsync.transport";
const REMEMBER = 5 * 60 * 1000;
const OPEN_TIMEOUT = 10000;

// The last choice of this tab: {transport, reason, until}. Storage may be forbidden.
class Memory {
  #choice = null;
  #storage;

  // The storage comes from a function, since only touching it may throw.
  constructor(storage) {
    try {
      this.#storage = storage();
      this.#choice = JSON.parse(this.#storage.getItem(STORED));
    } catch {
      // This page's memory has to do.
    }
  }

  get hasWorked() {
    return this.#choice?.transport === WEBSOCKET;
  }

  // The fall-back to begin with, if there's one.
  get fallBack() {
    const { transport, until } = this.#choice ?? {};
    const isTunnel = [STREAM, LONG_POLL, SHORT_POLL].includes(transport);
    return isTunnel && until > Date.now() ? this.#choice : null;
  }

  set(transport, reason, until = Date.now() + REMEMBER) {
    this.#choice = { transport, reason, until };
    try {
      this.#storage.setItem(STORED, JSON.stringify(this.#choice));
    } catch {
      // As above.
    }
  }
}

class Ladder {
  #pinned;
  #Native;
  #fetch;
  #clock;
  #memory;
  #report;
  #failures = 0;

  // Pinned: a transport, or "auto". Report(transport, reason) hears what is used.
  constructor({ pinned, Native, fetch, clock, memory, report }) {
    this.#pinned = pinned;
    this.#Native = Native;
    this.#fetch = fetch;
    this.#clock = clock;
    this.#memory = memory;
    this.#report = report;
  }

  // Returns a NativeLink or a Tunnel, or throws.
  async connect({ url, protocols, signal, events }) {
    let reason = "pinned";
    let choice = { transport: this.#pinned, word: "" };
    if (this.#pinned === "auto") {
      choice = null;
      const known = this.#memory.fallBack;
      reason = known?.reason;
      if (known) {
        choice = { transport: known.transport, word: "" };
      } else {
        try {
          return await this.#openNative({ url, protocols, signal, events });
        } catch (error) {
          if (!(error instanceof NoWebSocket) || signal.aborted || this.#isFirstFailure()) {
            throw error;
          }
          reason = error.message;
        }
      }
    }
    const base = new URL(url.replace(/^ws/, "http"));
    base.pathname = base.pathname.slice(0, -STREAM_PATH.length);
    const requests = new Requests(base.href.replace(/\/$/, ""), this.#fetch, this.#clock);
    choice ??= await probe(requests, this.#clock, signal);
    if (choice.word) {
      reason += `+${choice.word}`;
    }
    return this.#openTunnel({ requests, protocols, signal, events, reason, ...choice });
  }

  async #openNative(request) {
    const link = await openNative({ ...request, Native: this.#Native, clock: this.#clock });
    this.#failures = 0;
    this.#memory.set(WEBSOCKET, "");
    this.#report(WEBSOCKET, "");
    return link;
  }

  // A WebSocket that worked and fails once has lost its gateway rather than its way.
  #isFirstFailure() {
    this.#failures += 1;
    return this.#memory.hasWorked && this.#failures === 1;
  }

  async #openTunnel({ requests, protocols, signal, events, transport, reason }) {
    const opened = await this.#repeatOpen(requests, { protocols, transport, reason }, signal);
    const remember = () => {
      this.#failures = 0;
      const until = this.#memory.fallBack?.until;
      this.#memory.set(tunnel.transport, tunnel.reason, until);
    };
    let hasData = false;
    const tunnel = new Tunnel({
      requests,
      clock: this.#clock,
      opened,
      transport,
      reason,
      isPinned: this.#pinned !== "auto",
      events: {
        ...events,
        onMessage: (opcode, data) => {
          if (!hasData && this.#pinned === "auto") {
            remember();
          }
          hasData = true;
          events.onMessage(opcode, data);
        },
        onTransport: (...now) => {
          if (hasData) {
            remember();
          }
          this.#report(...now);
        },
      },
    });
    this.#report(tunnel.transport, tunnel.reason);
    return tunnel;
  }

  async #repeatOpen(requests, opening, signal) {
    for (let failures = 0; ; failures++) {
      try {
        return await requests.open(opening, OPEN_TIMEOUT, signal);
      } catch (error) {
        if (error instanceof Refused || signal.aborted || failures === 2) {
          throw error;
        }
        await sleep(this.#clock, REPEATS[failures], signal);
      }
    }
  }
}
