// A tunnel's requests in turn: where its streams are, and what to do when one fails.

const STREAM = "stream";
const LONG_POLL = "long-poll";
const SHORT_POLL = "short-poll";

// Milliseconds, from here on. Before a request is repeated:
const REPEATS = [0, 250, 500, 1000, 2000, 4000];
// Without any good answer for so long, the tunnel is given up.
const GIVE_UP = 60000;
// For a request that is answered at once, and more for its bytes: so many per millisecond have
// the slowest connections.
const PATIENCE = 6000;
const SLOWEST = 32;
// While Streamlit takes nothing.
const ROOM_PAUSES = [50, 100, 200, 400, 1000];

const WANTED = 256 * 1024;
const ACKNOWLEDGE_EVERY = 128 * 1024;
const SMALLEST_PIECE = 16 * 1024;

class Exchanges {
  outgoing = new Outgoing();
  incoming = new Incoming();
  // An empty request is due, for what it says or for what it's answered.
  isDue = false;
  transport;
  #requests;
  #opened;
  #piece;
  #onMessage;
  #onEnd;
  #decoder = new FrameDecoder();
  #end = new AbortController();
  #told = 0;
  #fullTimes = 0;
  #failingSince = null;
  // The gateway has forgotten the tunnel.
  #isGone = false;
  #wake = () => {};

  // Opened: what the gateway said of the tunnel.
  constructor({ requests, clock, opened, transport, onMessage, onEnd }) {
    this.#requests = requests;
    this.clock = clock;
    this.#opened = opened;
    this.transport = transport;
    this.#piece = opened.piece;
    this.#onMessage = onMessage;
    this.#onEnd = onEnd;
  }

  get isOver() {
    return this.#end.signal.aborted;
  }

  get signal() {
    return this.#end.signal;
  }

  // How many seconds a request may wait.
  get wait() {
    return Math.max(1, Math.ceil(this.#opened.wait));
  }

  get hasToSend() {
    return this.isDue || this.outgoing.acknowledged < this.outgoing.total;
  }

  send(frames) {
    this.outgoing.append(frames);
    this.wake();
  }

  // Has a request sent soon, even if it's empty.
  ask() {
    this.isDue = true;
    this.wake();
  }

  wake() {
    this.#wake();
  }

  pause(delay) {
    return sleep(this.clock, delay, this.signal);
  }

  // Waits until there is something to do.
  async doze(delay) {
    const nap = new AbortController();
    this.#wake = () => nap.abort();
    await sleep(this.clock, delay, nap.signal);
    this.#wake = () => {};
  }

  // Sends the next piece, and takes as much of an answer as is wanted. Returns its STATE.
  // Jam: called when it takes long, for it may be something else that it waits for.
  async push(wanted, stall = null, jam = null) {
    const position = this.outgoing.acknowledged;
    const body = this.outgoing.read(position, this.#piece);
    const slack = body.length / SLOWEST;
    const timer = jam && this.clock.setTimeout(jam, stall + slack);
    this.isDue = false;
    let state;
    try {
      ({ state } = await this.exchange({
        body, wait: 0, limit: wanted, patience: PATIENCE + slack, idle: PATIENCE,
      }));
    } catch (error) {
      this.isDue = true;
      throw error;
    } finally {
      this.clock.clearTimeout(timer);
    }
    const sent = this.outgoing.acknowledged - position;
    if (body.length && !sent) {
      // Streamlit is slow: what was sent found no room.
      await this.pause(ROOM_PAUSES[Math.min(this.#fullTimes++, ROOM_PAUSES.length - 1)]);
    } else {
      this.#fullTimes = 0;
    }
    return { state, sent };
  }

  exchange({ wait, limit, ...request }) {
    const { acknowledged } = this.outgoing;
    const { received } = this.incoming;
    this.#told = received;
    return this.#requests.records({
      signal: this.signal,
      ...request,
      id: this.#opened.id,
      verb: "exchange",
      query: `?sent=${acknowledged}&received=${received}&wait=${wait}&limit=${limit}`
        + `&mode=${this.transport}`,
      onState: (state) => {
        this.outgoing.acknowledge(state.received);
        this.#failingSince = null;
      },
      onData: (position, data) => this.#onData(position, data),
    });
  }

  #onData(position, data) {
    for (const message of this.#decoder.push(this.incoming.accept(position, data))) {
      if (this.isOver) {
        return;
      }
      if (message.opcode === CLOSE) {
        this.finish(message.code, message.reason, true);
      } else {
        this.#onMessage(message.opcode, message.data);
      }
    }
    if (this.incoming.received - this.#told >= ACKNOWLEDGE_EVERY) {
      this.ask();
    }
  }

  // Waits before a request is repeated, or gives up.
  async recover(error, failures) {
    if (this.isOver) {
      return;
    }
    this.#failingSince ??= this.clock.now();
    const isLost = error instanceof Lost
      || (error instanceof Refused && error.status >= 500)
      // Another request has overtaken it: the next one has the positions of now.
      || (error instanceof Refused && error.status === 409 && failures < 4);
    if (!isLost || this.clock.now() - this.#failingSince > GIVE_UP) {
      this.#isGone = error.status === 404;
      this.finish(1006, "", false);
      return;
    }
    if (error.status === 413) {
      this.#piece = Math.max(SMALLEST_PIECE, this.#piece / 2);
    }
    await this.pause(REPEATS[Math.min(failures, REPEATS.length - 1)]);
  }

  // Says that the page is gone.
  leave() {
    if (!this.#isGone) {
      this.#requests.close(this.#opened.id);
    }
  }

  // Ends without a word to the page.
  abandon() {
    this.#end.abort();
    this.wake();
    this.leave();
  }

  finish(code, reason, wasClean) {
    if (!this.isOver) {
      if (wasClean) {
        // Both sides have said their last word, whatever the acknowledgements say.
        this.outgoing.acknowledge(this.outgoing.total);
      }
      this.abandon();
      this.#onEnd(code, reason, wasClean);
    }
  }
}
