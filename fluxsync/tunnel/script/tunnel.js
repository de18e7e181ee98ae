// One tunnel: what a WebSocket does, over plain requests.

const CLOSE_PATIENCE = 10000;
// Between short polls: after a push, and then for as long as nothing has come.
const AFTER_PUSH = 30;
const PAUSES = [[200, 30], [1000, 100], [10000, 400], [Infinity, 2000]];

class Tunnel {
  #exchanges;
  #protocol;
  #isPinned;
  #reason;
  #onTransport;

  // Events: onMessage(opcode, data), onClose(code, reason, wasClean), onTransport(name, reason).
  constructor({ requests, clock, opened, transport, reason, isPinned, events }) {
    const canHold = opened.hold || transport === SHORT_POLL;
    this.#protocol = opened.protocol ?? "";
    this.#isPinned = isPinned;
    this.#reason = canHold ? reason : `${reason}+no-hold`;
    this.#onTransport = events.onTransport;
    this.#exchanges = new Exchanges({
      requests,
      clock,
      opened,
      transport: canHold ? transport : SHORT_POLL,
      onMessage: events.onMessage,
      onEnd: events.onClose,
    });
  }

  get protocol() {
    return this.#protocol;
  }

  get transport() {
    return this.#exchanges.transport;
  }

  get reason() {
    return this.#reason;
  }

  get bufferedAmount() {
    const { acknowledged, total } = this.#exchanges.outgoing;
    return total - acknowledged;
  }

  start() {
    this.#run().catch(() => this.#exchanges.finish(1006, "", false));
  }

  send(opcode, payload) {
    this.#exchanges.send(encodeFrames(opcode, payload));
  }

  close(code, reason) {
    this.#exchanges.send(encodeClose(code, reason));
    this.#exchanges.pause(CLOSE_PATIENCE).then(() => this.#exchanges.finish(1006, "", false));
  }

  // The page goes away.
  leave() {
    this.#exchanges.leave();
  }

  abandon() {
    this.#exchanges.abandon();
  }

  async #run() {
    if (this.transport !== SHORT_POLL) {
      await new Holding(this.#exchanges, (...change) => this.#change(...change)).run();
    }
    await this.#poll();
  }

  #change(transport, word) {
    if (!this.#isPinned && !this.#exchanges.isOver) {
      this.#exchanges.transport = transport;
      this.#reason += this.#reason.endsWith(word) ? "" : `+${word}`;
      this.#onTransport(transport, this.#reason);
    }
  }

  // Both directions in requests that are answered at once.
  async #poll() {
    const { clock, incoming } = this.#exchanges;
    let failures = 0;
    let activeAt = clock.now();
    while (!this.#exchanges.isOver) {
      const { received } = incoming;
      try {
        const { state, sent } = await this.#exchanges.push(WANTED);
        const hasCome = incoming.received > received;
        failures = 0;
        activeAt = sent || hasCome ? clock.now() : activeAt;
        if (!(hasCome && state.total > incoming.received) && !this.#exchanges.hasToSend) {
          const quiet = clock.now() - activeAt;
          await this.#exchanges.doze(sent ? AFTER_PUSH : PAUSES.find(([end]) => quiet < end)[1]);
        }
      } catch (error) {
        await this.#exchanges.recover(error, failures++);
      }
    }
  }
}
