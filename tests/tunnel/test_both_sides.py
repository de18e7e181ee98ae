"""The core of the page's script, in Chromium, against the gateway's, through a bad network.

What is tested is that they agree: about frames, records and positions. When requests are sent,
and what follows from their loss, is tested elsewhere.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from fluxsync.sansio import records
from fluxsync.sansio.controls import PingFilter
from fluxsync.sansio.frames import FrameTracker
from fluxsync.sansio.tunnel import Incoming, Outgoing, OutOfWindow
from tests.browser.conftest import browser
from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Stream
from tests.tunnel.script.conftest import load_classes

if t.TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["browser"]

pytestmark = pytest.mark.browser

#: Bytes are strings on their way into the page and out of it, a character each.
PEER = """() => {
  const toBytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  const toText = (bytes) => {
    const parts = [];
    for (let at = 0; at < bytes.length; at += 8192) {
      parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
    }
    return parts.join("");
  };

  class Peer {
    #outgoing = new Outgoing();
    #incoming = new Incoming();
    #decoder = new FrameDecoder();

    // Takes responses and messages; returns requests, and the messages that have come.
    step({ responses, said, limits }) {
      const messages = responses.flatMap((pieces) => this.#take(pieces));
      for (const [opcode, text] of said) {
        this.#outgoing.append(encodeFrames(opcode, toBytes(text)));
      }
      const sent = this.#outgoing.acknowledged;
      const { total } = this.#outgoing;
      const requests = limits.map((limit) => ({
        sent,
        received: this.#incoming.received,
        body: toText(this.#outgoing.read(sent, limit)),
      }));
      return { requests, messages, isDone: sent === total, received: this.#incoming.received };
    }

    #take(pieces) {
      const decoder = new RecordDecoder();
      const messages = [];
      for (const piece of pieces) {
        for (const item of decoder.push(toBytes(piece))) {
          if (item.state) {
            this.#outgoing.acknowledge(item.state.received);
          } else {
            const fresh = this.#incoming.accept(item.position, item.data);
            for (const { opcode, data, code } of this.#decoder.push(fresh)) {
              messages.push([opcode, data ? toText(data) : String(code)]);
            }
          }
        }
      }
      return messages;
    }
  }
  window.begin = () => { window.peer = new Peer(); };
}"""

#: Text that doesn't repeat itself, so that no part of it can be taken for another.
NOISE = bytes(random.Random(4).choices(range(32, 127), k=300_000))


@pytest.fixture(scope="module")
def core(browser: Browser) -> Iterator[Page]:
    """A page with the script's core."""
    page = browser.new_page()
    names = "FrameDecoder, encodeFrames, Outgoing, Incoming, RecordDecoder"
    load_classes(page, names, "frames.js", "streams.js")
    page.evaluate(PEER)
    yield page
    page.close()


class Buffer(Stream):
    """Bytes, read like a connection that ends there."""

    def __init__(self, data: bytes) -> None:
        self.buffer = data

    def fill(self) -> bool:
        return False


@dataclasses.dataclass(frozen=True)
class Request:
    sent: int
    received: int
    body: bytes


Message = tuple[int, bytes]
T = t.TypeVar("T")


class Gateway:
    """The gateway's core, used as its tunnels use it.

    :param window: Most bytes that it keeps for the page.
    """

    def __init__(self, window: int) -> None:
        self._outgoing = Outgoing(window)
        self._incoming = Incoming()
        self._filter = PingFilter()
        self._tracker = FrameTracker(masked=True)
        #: What Streamlit has said, and hasn't been read yet.
        self._unread = b""
        self.pings = 0
        #: What has come from the page.
        self.up = b""

    def say(self, data: bytes) -> None:
        self._unread += data
        self._read_on()

    def _read_on(self) -> None:
        room = self._outgoing.room
        data, pings = self._filter.feed(self._unread[:room])
        self._unread = self._unread[room:]
        self._outgoing.append(data)
        self.pings += len(pings)

    def exchange(self, request: Request, room: int, limit: int, cut: int) -> bytes | None:
        """Return the response's body; ``None`` if it's a refusal."""
        try:
            self._outgoing.read(request.received, 0)
            self._outgoing.acknowledge(request.received)
            fresh = self._incoming.accept(request.sent, request.body, room)
        except OutOfWindow:
            return None
        self._tracker.feed(self._tracker.held + fresh)
        assert self._tracker.violation is None
        self.up += fresh
        self._read_on()
        data = self._outgoing.read(request.received, limit)
        state = records.State(request.received, self._incoming.received, self._outgoing.total)
        parts = (records.encode_data(part) for part in (data[:cut], data[cut:]))
        return records.encode_state(state) + b"".join(parts)

    @property
    def is_done(self) -> bool:
        return not self._unread and not self._outgoing.kept

    def messages(self) -> list[Message]:
        """Return what the page has said."""
        buffer = Buffer(self.up)
        found: list[Message] = []
        opcode, payload = 0, b""
        while (frame := frames.read_frame(buffer)) is not None:
            assert frame.masked
            assert len(frame.payload) <= 64 * 1024, "a pong may have to be put in behind it"
            opcode, payload = frame.opcode or opcode, payload + frame.payload
            if frame.fin:
                found.append((opcode, payload))
                payload = b""
        return found


class Pair:
    """Both sides, and what was said on each."""

    def __init__(self, page: Page, window: int) -> None:
        page.evaluate("begin()")
        self._page = page
        self.gateway = Gateway(window)
        #: What each side has said, and what the page has heard.
        self.up: list[Message] = []
        self.down: list[Message] = []
        self.heard: list[Message] = []
        self.pings = 0
        self.is_done = False

    def say_down(self, message: Message, fragments: list[int], *, ping: bool) -> None:
        """Have Streamlit say something, in several frames maybe, with pings before each."""
        opcode, payload = message
        self.down.append(message)
        cuts = sorted({0, *(cut for cut in fragments if cut < len(payload))})
        for start, end in itertools.pairwise([*cuts, len(payload)]):
            if ping:
                self.pings += 1
                self.gateway.say(Frame(0x89, payload[:9]).encode())
            fin = 0x80 if end == len(payload) else 0
            self.gateway.say(Frame(fin | (0 if start else opcode), payload[start:end]).encode())

    def step(
        self, responses: list[list[bytes]], said: list[Message], limits: list[int]
    ) -> list[Request]:
        """Have the page do everything that it does at one time."""
        self.up += said
        result = self._page.evaluate(
            "(work) => peer.step(work)",
            {
                "responses": [[_text(piece) for piece in pieces] for pieces in responses],
                "said": [(opcode, _text(payload)) for opcode, payload in said],
                "limits": limits,
            },
        )
        self.heard += [(opcode, text.encode("latin-1")) for opcode, text in result["messages"]]
        self.is_done = result["isDone"]
        return [
            Request(r["sent"], r["received"], r["body"].encode("latin-1"))
            for r in result["requests"]
        ]

    def finish(self) -> None:
        """Exchange what is left, now that nothing is lost any more."""
        pieces: list[list[bytes]] = []
        for _ in range(200):
            (request,) = self.step(pieces, [], [1 << 18])
            if self.is_done and self.gateway.is_done:
                return
            body = self.gateway.exchange(request, 1 << 20, 1 << 18, 100)
            assert body is not None, "what is up to date is never refused"
            pieces = [[body]]
        raise AssertionError("nothing moves any more")


def _text(data: bytes) -> str:
    return data.decode("latin-1")


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    """Draw messages that all differ."""
    sizes = st.integers(0, 300) | st.sampled_from([125, 126, 65535, 65536, 65537, 200_000])
    opcodes = st.sampled_from([frames.TEXT, frames.BINARY])
    drawn = draw(st.lists(st.tuples(opcodes, sizes, st.integers(0, 99_999)), max_size=3))
    return [(opcode, NOISE[start : start + size]) for opcode, size, start in drawn]


#: How much is asked for, or taken, at a time.
LIMITS = st.sampled_from([0, 1, 3, 100, 1000, 70_000, 1 << 18])
#: What the network does to a request, or a response.
FATES = st.sampled_from(["pass", "pass", "drop", "repeat", "delay"])


def through(data: st.DataObject, waiting: list[T]) -> tuple[list[T], list[T]]:
    """Return what arrives now, in whatever order, and what arrives later."""
    arriving: list[T] = []
    later: list[T] = []
    for thing in waiting:
        fate = data.draw(FATES)
        if fate in ("pass", "repeat"):
            arriving.append(thing)
        if fate in ("delay", "repeat"):
            later.append(thing)
    return data.draw(st.permutations(arriving)), later[-4:]


def pieces(data: st.DataObject, body: bytes) -> list[bytes]:
    """Cut a response into pieces, of which the last may be missing."""
    # Anywhere, and in and around the heads of its records.
    places = st.integers(0, len(body)) | st.integers(0, min(40, len(body)))
    cuts = sorted(data.draw(st.sets(places, max_size=4)))
    parts = [body[start:end] for start, end in itertools.pairwise([0, *cuts, len(body)])]
    return parts[: len(parts) - data.draw(st.integers(0, min(1, len(cuts))))]


@settings(
    max_examples=60,  # each is a dozen calls of the browser
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink one takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.data())
def test_every_message_arrives_once(core: Page, data: st.DataObject) -> None:
    """Whatever is dropped, repeated, cut, delayed and reordered on the way."""
    pair = Pair(core, data.draw(st.sampled_from([50, 5000, 1 << 20])))
    requests: list[Request] = []
    responses: list[bytes] = []
    for _ in range(data.draw(st.integers(1, 5))):
        for message in data.draw(messages()):
            fragments = data.draw(st.lists(st.integers(1, 70_000), max_size=2))
            pair.say_down(message, fragments, ping=data.draw(st.booleans()))
        arriving, responses = through(data, responses)
        cut = [pieces(data, body) for body in arriving]
        limits = data.draw(st.lists(LIMITS, min_size=1, max_size=3))
        requests += pair.step(cut, data.draw(messages()), limits)
        arrived, requests = through(data, requests)
        for request in arrived:
            body = pair.gateway.exchange(
                request, data.draw(LIMITS), data.draw(LIMITS), data.draw(st.integers(0, 50))
            )
            if body is not None:
                responses.append(body)
        assert pair.heard == pair.down[: len(pair.heard)]
    # The window may be small, and there's nothing to learn from a thousand round trips.
    pair.gateway._outgoing._window = 1 << 20
    pair.finish()

    assert pair.heard == pair.down
    assert pair.gateway.messages() == pair.up
    assert pair.gateway.pings == pair.pings


@pytest.mark.parametrize("code", [1000, 1001, 4999])
def test_close(core: Page, code: int) -> None:
    """It's behind everything else, on either side."""
    pair = Pair(core, 1 << 20)
    pair.say_down((frames.BINARY, b"last"), [], ping=True)
    pair.gateway.say(frames.close(code, "bye").encode())
    pair.finish()

    assert pair.heard == [(frames.BINARY, b"last"), (frames.CLOSE, str(code).encode())]
