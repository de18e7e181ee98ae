// The browser's own WebSocket, believed only when something comes through it.

const GREETING_QUERY = "?fluxsync=greet";
const GREETING = "fluxsync";
const OPEN_PATIENCE = 2000;
// It's right behind the answer to the handshake.
const GREETING_PATIENCE = 600;

// Why there's no WebSocket; the message is the reason's name.
class NoWebSocket extends Error {}

// A native WebSocket with the interface of a Tunnel.
class NativeLink {
  #socket;
  #events;
  #early;
  transport = "websocket";
  reason = "";

  // Early: the messages that came before the link was made.
  constructor(socket, early, events) {
    this.#socket = socket;
    this.#early = early;
    this.#events = events;
  }

  get protocol() {
    return this.#socket.protocol;
  }

  get extensions() {
    return this.#socket.extensions;
  }

  get bufferedAmount() {
    return this.#socket.bufferedAmount;
  }

  start() {
    const deliver = ({ data }) => {
      if (typeof data === "string") {
        this.#events.onMessage(TEXT, data);
      } else {
        this.#events.onMessage(BINARY, new Uint8Array(data));
      }
    };
    this.#early.forEach(deliver);
    this.#socket.onmessage = deliver;
    this.#socket.onclose = ({ code, reason, wasClean }) => {
      this.#events.onClose(code, reason, wasClean);
    };
  }

  send(opcode, payload) {
    this.#socket.send(opcode === TEXT ? utf8.decode(payload) : payload);
  }

  close(code, reason) {
    this.#socket.close(...(code === undefined ? [] : [code, reason]));
  }

  // The browser sees to it.
  leave() {}

  abandon() {
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }
}

// Resolves with a link when the gateway has greeted.
function openNative({ url, protocols, Native, clock, signal, events }) {
  return new Promise((resolve, reject) => {
    const socket = new Native(url + GREETING_QUERY, protocols);
    socket.binaryType = "arraybuffer";
    let timer;
    const settle = () => {
      clock.clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
      socket.onopen = socket.onmessage = socket.onclose = null;
    };
    const fail = (reason) => {
      settle();
      socket.close();
      reject(new NoWebSocket(reason));
    };
    const cancel = () => fail("closed");
    timer = clock.setTimeout(() => fail("websocket-timeout"), OPEN_PATIENCE);
    signal.addEventListener("abort", cancel);
    socket.onopen = () => {
      clock.clearTimeout(timer);
      timer = clock.setTimeout(() => fail("websocket-silent"), GREETING_PATIENCE);
    };
    socket.onmessage = (event) => {
      settle();
      // A frame that isn't the greeting shows as well that frames come through.
      resolve(new NativeLink(socket, event.data === GREETING ? [] : [event], events));
    };
    socket.onclose = () => fail("websocket-refused");
  });
}
