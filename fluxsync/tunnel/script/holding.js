// Streams and long polls: a request that waits for Streamlit, and others that send beside it.

const HOLD_PATIENCE = 10000;
// The gateway says something every 15 s.
const STREAM_IDLE = 20000;
// What shows after so long that a proxy holds something back.
const STALL = 2000;
// Streamlit says something right after nearly everything that it's sent.
const SOON = 500;
// A response that was cut or ended before that, with nothing in it, is no use.
const SHORT_LIFE = 5000;
const NO_LIFE = 1000;

class Holding {
  #exchanges;
  #change;
  // The request that waits, and what to wait for before there's another.
  #held = null;
  #relief = null;
  #check = null;
  #pushedAt = -Infinity;
  #stalls = 0;
  #jams = 0;

  // Change(transport, word) goes down the ladder if it's allowed.
  constructor(exchanges, change) {
    this.#exchanges = exchanges;
    this.#change = change;
    exchanges.signal.addEventListener("abort", () => exchanges.clock.clearTimeout(this.#check));
  }

  // Ends when there's nothing more to hold.
  async run() {
    await Promise.all([this.#push(), this.#hold()]);
  }

  get #goesOn() {
    return !this.#exchanges.isOver && this.#exchanges.transport !== SHORT_POLL;
  }

  #goDown(transport, word) {
    this.#change(transport, word);
    this.#held?.abort();
    this.#exchanges.wake();
  }

  // Sends what there is to send, one request at a time.
  async #push() {
    let failures = 0;
    while (this.#goesOn) {
      if (!this.#exchanges.hasToSend) {
        await this.#exchanges.doze();
        continue;
      }
      try {
        await this.#pushOnce();
        failures = 0;
      } catch (error) {
        await this.#exchanges.recover(error, failures++);
      }
    }
  }

  async #pushOnce() {
    let relieved = null;
    let isJam = false;
    try {
      const { state, sent } = await this.#exchanges.push(0, STALL, () => {
        // A proxy that lets one request through at a time lets ours wait for the held one.
        isJam = this.#held !== null;
        this.#relief = new Promise((resolve) => {
          relieved = resolve;
        });
        this.#held?.abort();
      });
      this.#pushedAt = this.#exchanges.clock.now();
      this.#jams = isJam ? this.#jams + 1 : 0;
      if (this.#jams === 2) {
        this.#goDown(SHORT_POLL, "serial");
      }
      this.#expect(state, sent);
    } finally {
      this.#relief = null;
      relieved?.();
    }
  }

  // Notices a response that is collected in some proxy's buffer, or lost, instead of coming here.
  #expect(state, sent) {
    const { clock, incoming, transport } = this.#exchanges;
    const { received } = incoming;
    const held = this.#held;
    const isBehind = state.total > received;
    if (held === null || this.#check !== null || !(isBehind || sent)) {
      return;
    }
    this.#check = clock.setTimeout(() => {
      this.#check = null;
      if (incoming.received > received && this.#held === held) {
        this.#stalls = 0;
      }
      if (this.#exchanges.isOver || incoming.received > received || this.#held !== held) {
        return;
      }
      if (!isBehind) {
        this.#exchanges.ask();
        return;
      }
      if (transport === STREAM) {
        this.#stalls += 1;
        if (this.#stalls === 2) {
          this.#goDown(LONG_POLL, "buffered");
        }
      }
      held.abort();
    }, isBehind ? STALL : SOON);
  }

  // Keeps a request waiting for what Streamlit says.
  async #hold() {
    let failures = 0;
    let failingSince = 0;
    while (this.#goesOn) {
      await this.#relief;
      const { clock, incoming, wait, transport } = this.#exchanges;
      const { received } = incoming;
      const held = new AbortController();
      this.#held = held;
      if (this.#stalls > 0) {
        // Does this one come through?
        this.#exchanges.ask();
      }
      const error = await this.#holdOnce(held, transport === STREAM, wait);
      this.#held = null;
      if (held.signal.aborted || this.#exchanges.isOver) {
        continue;
      }
      if (error === null || incoming.received > received) {
        failures = 0;
        continue;
      }
      failures += 1;
      failingSince = failures === 1 ? clock.now() : failingSince;
      if (failures >= 2) {
        // Is it all requests that get lost, or only those that wait?
        this.#exchanges.ask();
      }
      if (failures >= 3 && this.#pushedAt > failingSince) {
        failures = 0;
        this.#goDown(transport === STREAM ? LONG_POLL : SHORT_POLL, "cut");
      }
      await this.#exchanges.recover(error, Math.max(0, failures - 1));
    }
  }

  // Returns what was wrong with the response, if anything was.
  async #holdOnce(held, isStream, wait) {
    const { clock, signal } = this.#exchanges;
    const began = clock.now();
    const abort = () => held.abort();
    signal.addEventListener("abort", abort);
    try {
      const { isComplete } = await this.#exchanges.exchange({
        wait,
        limit: WANTED,
        patience: HOLD_PATIENCE + (isStream ? 0 : wait * 1000),
        idle: isStream ? STREAM_IDLE : undefined,
        signal: held.signal,
      });
      const shortest = isComplete ? Math.min(NO_LIFE, wait * 500) : SHORT_LIFE;
      return clock.now() - began < shortest ? new Lost("cut") : null;
    } catch (error) {
      return error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }
}
