// WebSocket frames (RFC 6455 5). No I/O: bytes in, messages out, and the other way round.

const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const FRAGMENT = 64 * 1024;
// A payload that no ArrayBuffer holds can't become a message.
const LONGEST = 2 ** 31;
const NO_STATUS = 1005;

class ProtocolError extends Error {}

// A text that begins with a byte order mark keeps it.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function join(chunks) {
  if (chunks.length === 1) {
    return chunks[0];
  }
  const joined = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let size = 0;
  for (const chunk of chunks) {
    joined.set(chunk, size);
    size += chunk.length;
  }
  return joined;
}

// Makes messages of the frames of a server, which come in pieces cut anywhere.
class FrameDecoder {
  #head = new Uint8Array(10);
  #headSize = 0;
  // Of the frame whose payload comes now. It's allocated once, however many pieces it comes in.
  #payload = null;
  #filled = 0;
  #opcode = 0;
  #isLast = false;
  // Of the message whose fragments come now.
  #type = 0;
  #fragments = [];

  // Returns messages: {opcode, data}, or {opcode: 8, code, reason} last.
  push(bytes) {
    const messages = [];
    let at = 0;
    while (at < bytes.length || this.#payload?.length === 0) {
      if (this.#payload === null) {
        this.#head[this.#headSize++] = bytes[at++];
        this.#readHead();
        continue;
      }
      const end = Math.min(bytes.length, at + this.#payload.length - this.#filled);
      this.#payload.set(bytes.subarray(at, end), this.#filled);
      this.#filled += end - at;
      at = end;
      if (this.#filled === this.#payload.length) {
        this.#endFrame(messages);
      }
    }
    return messages;
  }

  #readHead() {
    const [first, second] = this.#head;
    const extra = { 126: 2, 127: 8 }[second] ?? 0;
    if (this.#headSize < 2 + extra) {
      return;
    }
    const view = new DataView(this.#head.buffer);
    let length = second;
    if (extra === 2) {
      length = view.getUint16(2);
    } else if (extra === 8) {
      length = view.getUint32(2) * 2 ** 32 + view.getUint32(6);
    }
    this.#opcode = first & 0x0f;
    this.#isLast = first >= 0x80;
    const isControl = this.#opcode >= CLOSE;
    const isKnown = isControl ? this.#opcode <= 0xa : this.#opcode <= BINARY;
    if (first & 0x70 || second & 0x80 || !isKnown || length >= LONGEST) {
      throw new ProtocolError("a frame that no server may send");
    }
    if (isControl ? !this.#isLast || length > 125 : (this.#opcode === 0) !== this.#type > 0) {
      throw new ProtocolError("a frame at a place where it may not be");
    }
    this.#payload = new Uint8Array(length);
    this.#filled = this.#headSize = 0;
  }

  #endFrame(messages) {
    const payload = this.#payload;
    this.#payload = null;
    if (this.#opcode === CLOSE) {
      messages.push({ opcode: CLOSE, ...decodeClose(payload) });
    } else if (this.#opcode < CLOSE) {
      this.#type = this.#opcode || this.#type;
      this.#fragments.push(payload);
      if (this.#isLast) {
        messages.push({ opcode: this.#type, data: join(this.#fragments) });
        this.#fragments = [];
        this.#type = 0;
      }
    }
  }
}

function decodeClose(payload) {
  if (payload.length === 0) {
    return { code: NO_STATUS, reason: "" };
  }
  if (payload.length === 1) {
    throw new ProtocolError("a close frame with half a code");
  }
  return {
    code: payload[0] * 256 + payload[1],
    reason: utf8.decode(payload.subarray(2)),
  };
}

function frameHead(first, length) {
  // The masking key is zero, hence payloads are what they are: masks protect proxies that take
  // a WebSocket for something else, and this travels in the body of a request.
  const extra = length < 126 ? 0 : length < 2 ** 16 ? 2 : 8;
  const head = new Uint8Array(2 + extra + 4);
  const view = new DataView(head.buffer);
  head[0] = first;
  head[1] = 0x80 | { 0: length, 2: 126, 8: 127 }[extra];
  if (extra === 2) {
    view.setUint16(2, length);
  } else if (extra === 8) {
    view.setUint32(6, length);
  }
  return head;
}

// Returns a client's frames for a message. It's fragmented, since the gateway can put a pong
// only between two frames.
function encodeFrames(opcode, payload) {
  const chunks = [];
  let at = 0;
  do {
    const end = Math.min(payload.length, at + FRAGMENT);
    const first = (at ? 0 : opcode) | (end === payload.length ? 0x80 : 0);
    chunks.push(frameHead(first, end - at), payload.subarray(at, end));
    at = end;
  } while (at < payload.length);
  return join(chunks);
}

function encodeClose(code, reason) {
  const text = new TextEncoder().encode(reason);
  const status = code === undefined ? [] : [code >> 8, code & 0xff];
  return encodeFrames(CLOSE, Uint8Array.from([...status, ...text]));
}
