// The two byte streams of a tunnel, and the records in responses. No I/O. The gateway has the
// same Outgoing and Incoming (sansio/tunnel.py).

const STATE = 0;
const DATA = 1;
// A STATE is three numbers and maybe a word.
const LONGEST_STATE = 256;

// Something isn't what a gateway sends, or isn't all of it: to be asked for again.
class Lost extends Error {}

// What was sent, kept until it's acknowledged.
class Outgoing {
  #chunks = [];
  // Where the first chunk begins.
  #start = 0;
  acknowledged = 0;
  total = 0;

  append(bytes) {
    this.#chunks.push(bytes);
    this.total += bytes.length;
  }

  // One that was overtaken by a later one changes nothing.
  acknowledge(position) {
    if (position > this.total) {
      throw new Lost(`${position} of ${this.total} bytes can't have come`);
    }
    this.acknowledged = Math.max(this.acknowledged, position);
    let whole = 0;
    while (
      whole < this.#chunks.length
      && this.#start + this.#chunks[whole].length <= this.acknowledged
    ) {
      this.#start += this.#chunks[whole++].length;
    }
    this.#chunks.splice(0, whole);
  }

  // Returns what follows a position.
  read(position, limit) {
    const parts = [];
    let start = this.#start;
    let room = limit;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(Math.max(0, position - start)).subarray(0, room);
      if (part.length > 0) {
        parts.push(part);
        room -= part.length;
      }
      if (room === 0) {
        break;
      }
      start += chunk.length;
    }
    return join(parts);
  }
}

// What has come, each byte once and in order.
class Incoming {
  received = 0;

  // Returns what is new of the bytes at a position.
  accept(position, bytes) {
    if (position > this.received) {
      throw new Lost(`${position - this.received} bytes are missing before ${position}`);
    }
    const fresh = bytes.subarray(this.received - position);
    this.received += fresh.length;
    return fresh;
  }
}

// Reads the records of one response, which comes in pieces cut anywhere.
class RecordDecoder {
  #head = [];
  #type = 0;
  #missing = 0;
  #state = [];
  // Where the next DATA goes on; null before the first STATE.
  #position = null;

  // Returns items: {state: {offset, received, total, words}}, or {position, data}.
  push(bytes) {
    const items = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#missing === 0) {
        this.#head.push(bytes[at++]);
        if (this.#head.length === 4) {
          this.#begin();
        }
        continue;
      }
      const part = bytes.subarray(at, at + this.#missing);
      at += part.length;
      this.#missing -= part.length;
      this.#take(part, items);
    }
    return items;
  }

  #begin() {
    const [type, high, middle, low] = this.#head;
    this.#head = [];
    this.#type = type;
    this.#missing = (high << 16) | (middle << 8) | low;
    // Thus a page of HTML is seen to be none of ours.
    const isForeign = this.#position === null && type !== STATE;
    if (isForeign || (type === STATE && !(this.#missing > 0 && this.#missing < LONGEST_STATE))) {
      throw new Lost("no records");
    }
  }

  #take(part, items) {
    if (this.#type === DATA) {
      items.push({ position: this.#position, data: part });
      this.#position += part.length;
    } else if (this.#type === STATE) {
      this.#state.push(...part);
      if (this.#missing === 0) {
        const state = parseState(String.fromCharCode(...this.#state));
        this.#state = [];
        this.#position = state.offset;
        items.push({ state });
      }
    }
  }
}

function parseState(text) {
  if (!/^\d{1,15} \d{1,15} \d{1,15}( |$)/.test(text)) {
    throw new Lost("no state");
  }
  const [offset, received, total, ...words] = text.split(" ");
  return { offset: Number(offset), received: Number(received), total: Number(total), words };
}
