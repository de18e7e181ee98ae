"""The frames that the page's script reads and writes."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import Browser, Page

from tests.support import frames
from tests.support.frames import Frame

from .conftest import load_classes

pytestmark = pytest.mark.browser

DECODE = """([hex, size]) => {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  const decoder = new FrameDecoder();
  const messages = [];
  try {
    for (let at = 0; at < bytes.length; at += size) {
      messages.push(...decoder.push(bytes.subarray(at, at + size)));
    }
  } catch (error) {
    return error.constructor.name;
  }
  return messages.map(({ opcode, data, code, reason }) => (
    opcode === 8 ? [code, reason] : [opcode, Array.from(data), data.buffer.byteLength]
  ));
}"""

ENCODE = """([opcode, size]) => {
  const payload = new Uint8Array(size).map((_, at) => at % 251);
  return Array.from(encodeFrames(opcode, payload));
}"""

#: 65,536 bytes, the first length that takes 64 bits.
LONG = bytes(range(256)) * 256


@pytest.fixture(scope="module")
def decoding(browser: Browser) -> t.Iterator[Page]:
    """One page for all tests: the classes share nothing."""
    with browser.new_page() as page:
        load_classes(page, "FrameDecoder, encodeFrames, encodeClose", "frames.js")
        yield page


def decode(page: Page, data: bytes, size: int) -> t.Any:
    return page.evaluate(DECODE, [data.hex(), size])


def fragment(opcode: int, payload: bytes, *, final: bool) -> bytes:
    return Frame(opcode | (0x80 if final else 0), payload).encode()


@pytest.mark.parametrize("size", [1, 3, 70000])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_message(decoding: Page, length: int, size: int) -> None:
    data = LONG[:length]

    found = decode(decoding, frames.binary(data).encode() + frames.text("ü").encode(), size)

    # The last number is the buffer's: the page gets it without a copy.
    assert found == [[2, list(data), length], [1, list("ü".encode()), 2]]


@pytest.mark.parametrize("size", [1, 1000])
def test_fragments_with_control_frames_between(decoding: Page, size: int) -> None:
    parts = (
        fragment(frames.BINARY, b"ab", final=False),
        Frame(0x80 | frames.PING, b"ping").encode(),
        fragment(frames.CONTINUATION, b"", final=False),
        Frame(0x80 | frames.PONG, b"").encode(),
        fragment(frames.CONTINUATION, b"c", final=True),
        frames.binary(b"d").encode(),
    )

    assert decode(decoding, b"".join(parts), size) == [[2, [97, 98, 99], 3], [2, [100], 1]]


@pytest.mark.parametrize("size", [1, 1000])
def test_close(decoding: Page, size: int) -> None:
    assert decode(decoding, frames.close(4000, "genug für heute").encode(), size) == [
        [4000, "genug für heute"]
    ]
    assert decode(decoding, frames.close(None, "").encode(), size) == [[1005, ""]]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(Frame(0xC2, b"x").encode(), id="reserved bit"),
        pytest.param(Frame(0x83, b"x").encode(), id="unknown opcode"),
        pytest.param(Frame(0x8B, b"x").encode(), id="unknown control opcode"),
        pytest.param(frames.binary(b"x").encode(mask=b"1234"), id="masked"),
        pytest.param(fragment(frames.PING, b"", final=False), id="control frame in fragments"),
        pytest.param(Frame(0x89, bytes(126)).encode(), id="long control frame"),
        pytest.param(fragment(frames.CONTINUATION, b"x", final=True), id="nothing to continue"),
        pytest.param(
            fragment(frames.TEXT, b"x", final=False) + frames.text("y").encode(),
            id="message in a message",
        ),
        pytest.param(b"\x82\x7f" + (1 << 31).to_bytes(8, "big"), id="too long"),
        pytest.param(Frame(0x88, b"\x03").encode(), id="half a close code"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_illegal(decoding: Page, data: bytes, size: int) -> None:
    assert decode(decoding, data, size) == "ProtocolError"


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536, 65537, 200000])
def test_encode(decoding: Page, length: int) -> None:
    payload = bytes(at % 251 for at in range(length))
    pieces = [payload[at : at + 65536] for at in range(0, length, 65536)] or [b""]
    expected = b"".join(
        Frame(
            (frames.CONTINUATION if number else frames.BINARY)
            | (0x80 if number == len(pieces) - 1 else 0),
            piece,
        ).encode(mask=bytes(4))
        for number, piece in enumerate(pieces)
    )

    assert bytes(decoding.evaluate(ENCODE, [frames.BINARY, length])) == expected


def test_encode_close(decoding: Page) -> None:
    encode = "([code, reason]) => Array.from(encodeClose(code ?? undefined, reason))"

    said = bytes(decoding.evaluate(encode, [3001, "für"]))
    assert said == frames.close(3001, "für").encode(mask=bytes(4))
    nothing = bytes(decoding.evaluate(encode, [None, ""]))
    assert nothing == frames.close(None, "").encode(mask=bytes(4))


def test_large_message_in_small_pieces_takes_linear_time(decoding: Page) -> None:
    # Joined piece by piece, these 50 MB were 20 GB of copies.
    size = decoding.evaluate("""() => {
      const decoder = new FrameDecoder();
      const piece = new Uint8Array(64 * 1024);
      decoder.push(Uint8Array.of(0x82, 127, 0, 0, 0, 0, 3, 32, 0, 0));
      for (let count = 1; ; count++) {
        const [message] = decoder.push(piece);
        if (message) {
          return [count, message.data.length];
        }
      }
    }""")

    assert size == [800, 50 * 1024 * 1024]
