// The WebSocket that the page gets: what the standard says, over whatever the ladder finds.

const STREAM_PATH = "/_stcore/stream";
const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// Whether a WebSocket to this address is Streamlit's, and this page's.
function isStreamlits(url) {
  return url.protocol === location.protocol.replace("http", "ws")
    && url.host === location.host
    && url.pathname.endsWith(STREAM_PATH)
    && url.search === ""
    && url.hash === "";
}

// Returns the URL as a WebSocket's; null if it isn't one.
function parseUrl(text) {
  try {
    const url = new URL(text, document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    return url;
  } catch {
    return null;
  }
}

class TunnelledSocket extends EventTarget {
  #url;
  #ladder;
  #protocols;
  #state = CONNECTING;
  #binaryType = "blob";
  #link = null;
  #cancel = new AbortController();
  // What was sent, in order; a Blob must be read first. Its size counts until it's handed on.
  #sends = Promise.resolve();
  #unread = 0;
  #unreadBytes = 0;
  // What was sent after the end is never sent, but counts.
  #lostBytes = 0;

  constructor(url, protocols, ladder) {
    super();
    this.#url = url;
    this.#protocols = (Array.isArray(protocols) ? protocols : [protocols]).map(String);
    const names = new Set(this.#protocols);
    if (names.size < this.#protocols.length || ![...names].every((name) => TOKEN.test(name))) {
      throw new DOMException("A subprotocol is malformed or there twice.", "SyntaxError");
    }
    this.#ladder = ladder;
    this.#connect();
  }

  get url() {
    return this.#url.href;
  }

  get readyState() {
    return this.#state;
  }

  get protocol() {
    return this.#link?.protocol ?? "";
  }

  get extensions() {
    return this.#link?.extensions ?? "";
  }

  get bufferedAmount() {
    return (this.#link?.bufferedAmount ?? 0) + this.#unreadBytes + this.#lostBytes;
  }

  get binaryType() {
    return this.#binaryType;
  }

  set binaryType(type) {
    if (type === "blob" || type === "arraybuffer") {
      this.#binaryType = type;
    }
  }

  async #connect() {
    try {
      this.#link = await this.#ladder.connect({
        url: this.url,
        protocols: this.#protocols,
        signal: this.#cancel.signal,
        events: {
          onMessage: (opcode, data) => this.#onMessage(opcode, data),
          onClose: (code, reason, wasClean) => this.#onClose(code, reason, wasClean),
        },
      });
    } catch (error) {
      // The gateway has as many tunnels as it may have, or no Streamlit yet: try again later.
      const isFull = error instanceof Refused && error.status === 503;
      this.#onClose(isFull ? 1013 : 1006, isFull ? error.message : "", false);
      return;
    }
    if (this.#state !== CONNECTING) {
      this.#fail();
      return;
    }
    this.#state = OPEN;
    this.dispatchEvent(new Event("open"));
    this.#link.start();
  }

  send(data) {
    if (this.#state === CONNECTING) {
      throw new DOMException("The WebSocket isn't open yet.", "InvalidStateError");
    }
    const isBlob = data instanceof Blob;
    const [opcode, payload] = isBlob ? [BINARY, null] : encodePayload(data);
    const size = isBlob ? data.size : payload.length;
    if (this.#state !== OPEN) {
      this.#lostBytes += size;
      return;
    }
    if (!isBlob && this.#unread === 0) {
      this.#link.send(opcode, payload);
      return;
    }
    // It waits for its turn; the page may change its buffer meanwhile.
    const copy = payload?.slice();
    this.#later(size, async () => {
      this.#link.send(opcode, copy ?? new Uint8Array(await data.arrayBuffer()));
    });
  }

  #later(size, task) {
    this.#unread += 1;
    this.#unreadBytes += size;
    this.#sends = this.#sends.then(task).catch(() => this.#fail()).then(() => {
      this.#unread -= 1;
      this.#unreadBytes -= size;
    });
  }

  close(code, reason = "") {
    if (code !== undefined) {
      code = Math.min(65535, Math.max(0, Math.round(Number(code) || 0)));
      if (code !== 1000 && !(code >= 3000 && code <= 4999)) {
        throw new DOMException(`${code} isn't 1000, nor in 3000 to 4999.`, "InvalidAccessError");
      }
    }
    if (new TextEncoder().encode(reason).length > 123) {
      throw new DOMException("The reason is longer than 123 bytes.", "SyntaxError");
    }
    if (this.#state === CONNECTING) {
      this.#state = CLOSING;
      this.#cancel.abort();
    } else if (this.#state === OPEN) {
      this.#state = CLOSING;
      this.#later(0, async () => this.#link.close(code ?? (reason ? 1000 : undefined), reason));
    }
  }

  // The page goes away.
  leave() {
    this.#link?.leave();
  }

  #fail() {
    this.#link.abandon();
    this.#onClose(1006, "", false);
  }

  #onMessage(opcode, bytes) {
    if (this.#state !== OPEN) {
      return;
    }
    let data;
    if (opcode === TEXT) {
      data = typeof bytes === "string" ? bytes : utf8.decode(bytes);
    } else {
      data = this.#binaryType === "blob" ? new Blob([bytes]) : bytes.buffer;
    }
    this.dispatchEvent(new MessageEvent("message", { data, origin: this.#url.origin }));
  }

  #onClose(code, reason, wasClean) {
    if (this.#state === CLOSED) {
      return;
    }
    this.#state = CLOSED;
    if (!wasClean) {
      this.dispatchEvent(new Event("error"));
    }
    this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
  }
}

// An on... handler is a listener whose place is where it was first set.
for (const type of ["open", "message", "error", "close"]) {
  const handlers = new WeakMap();
  Object.defineProperty(TunnelledSocket.prototype, `on${type}`, {
    get() {
      return handlers.get(this) ?? null;
    },
    set(handler) {
      if (!handlers.has(this)) {
        this.addEventListener(type, (event) => handlers.get(this)?.call(this, event));
      }
      handlers.set(this, typeof handler === "function" ? handler : null);
    },
    enumerable: true,
    configurable: true,
  });
}

function encodePayload(data) {
  if (data instanceof ArrayBuffer) {
    return [BINARY, new Uint8Array(data)];
  }
  if (ArrayBuffer.isView(data)) {
    return [BINARY, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
  }
  return [TEXT, new TextEncoder().encode(data)];
}
