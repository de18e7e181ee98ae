"""The relay, between two socket pairs: a browser's and Streamlit's."""

from __future__ import annotations

import dataclasses
import socket
import typing as t

import pytest

from fluxsync.bridges import links
from fluxsync.bridges.relay import Relay, Session
from fluxsync.sansio import closecodes
from fluxsync.sansio.closecodes import Close
from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Stream
from tests.support.waiting import FACTOR, eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

MASK = b"\1\2\3\4"
HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
GOODBYE = Close(closecodes.GOING_AWAY, "bye")


@dataclasses.dataclass
class Ends:
    """What the relay's two peers hold."""

    browser: Stream
    streamlit: Stream

    def close(self) -> None:
        for end in (self.browser, self.streamlit):
            end.sock.close()


Connect = t.Callable[..., Ends]


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.stop()


@pytest.fixture
def connect(relay: Relay) -> Iterator[Connect]:
    """Give the relay a WebSocket and return its peers."""
    opened: list[Ends] = []

    def connect(to_client: bytes = HEAD, to_upstream: bytes = b"", replica: str = "r1") -> Ends:
        browser, client = socket.socketpair()
        upstream, streamlit = socket.socketpair()
        for end in (browser, streamlit):
            end.settimeout(10 * FACTOR)
        relay.add(Session("id", replica), client, upstream, to_client, to_upstream)
        ends = Ends(Stream(browser), Stream(streamlit))
        opened.append(ends)
        if to_client == HEAD:
            assert ends.browser.read(len(HEAD)) == HEAD
        return ends

    yield connect
    for ends in opened:
        ends.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let peers that don't close be dropped at once."""
    monkeypatch.setattr(links, "LINGER", 0.0)


def send_until_it_blocks(sock: socket.socket) -> int:
    """Send zeros until nobody takes them, and return how many were taken."""
    sock.settimeout(0.5 * FACTOR)
    sent = 0
    while sent < 1 << 30:
        try:
            sent += sock.send(bytes(1 << 16))
        except TimeoutError:
            break
    return sent


def close_of(stream: Stream) -> tuple[int, str] | None:
    """Return what the next frame, a close frame, says; ``None`` at the end."""
    frame = frames.read_frame(stream)
    if frame is None:
        return None
    assert frame.opcode == frames.CLOSE
    return frame.close_code, frame.close_reason


def test_bytes_pass_both_ways(connect: Connect) -> None:
    ends = connect()
    ends.browser.sock.sendall(frames.text("up").encode(MASK))
    ends.streamlit.sock.sendall(frames.binary(b"down").encode())

    assert frames.read_frame(ends.streamlit) == Frame(0x81, b"up", masked=True)
    assert frames.read_frame(ends.browser) == frames.binary(b"down")


def test_bytes_of_the_handshake_go_first(connect: Connect) -> None:
    early_down, early_up = frames.text("a").encode(), frames.text("b").encode(MASK)
    ends = connect(HEAD + early_down, early_up)
    ends.browser.sock.sendall(frames.text("c").encode(MASK))

    assert ends.browser.read(len(HEAD + early_down)) == HEAD + early_down
    assert [frames.read_frame(ends.streamlit) for _ in range(2)] == [
        Frame(0x81, b"b", masked=True),
        Frame(0x81, b"c", masked=True),
    ]


def test_slow_reader_stops_its_own_sender_only(connect: Connect) -> None:
    slow, other = connect(), connect()
    sent = send_until_it_blocks(slow.streamlit.sock)

    assert sent < 16 * (1 << 20)
    other.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(other.streamlit) == Frame(0x81, b"hello", masked=True)
    assert len(slow.browser.read(sent)) == sent


def test_end_without_a_close_frame(connect: Connect) -> None:
    """A browser that vanishes: Streamlit sees the end, and no made-up words."""
    ends = connect()
    ends.browser.sock.close()

    assert not ends.streamlit.fill()


def test_log_of_a_browser_that_vanishes(
    connect: Connect, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    """It doesn't look like a crash of Streamlit, which merely ends its side then."""
    caplog.set_level("INFO", "fluxsync.websocket")
    ends = connect()
    ends.browser.sock.close()
    assert not ends.streamlit.fill()
    ends.streamlit.sock.close()
    eventually(lambda: not relay.counts())
    relay.stop()

    closed = vars(caplog.records[-1])
    assert (closed["close"], closed["closed_by"]) == ("1006 (abnormal closure)", "")


def test_streamlit_ends_without_a_word(connect: Connect, relay: Relay) -> None:
    ends = connect()
    ends.streamlit.sock.close()

    assert close_of(ends.browser) == (closecodes.SERVICE_RESTART, "")
    assert close_of(ends.browser) is None
    ends.browser.sock.close()
    eventually(lambda: not relay.counts())


def test_streamlit_ends_within_a_frame(connect: Connect) -> None:
    """There's no place for a close frame then."""
    ends = connect()
    ends.streamlit.sock.sendall(frames.text("hello").encode()[:4])
    ends.streamlit.sock.close()

    assert ends.browser.read(4) == frames.text("hello").encode()[:4]
    assert not ends.browser.fill()


def test_close_handshake_is_passed_on(connect: Connect, relay: Relay) -> None:
    ends = connect()
    ends.streamlit.sock.sendall(frames.close(4000, "own").encode())
    assert close_of(ends.browser) == (4000, "own")
    ends.browser.sock.sendall(frames.close(4000).encode(MASK))
    assert close_of(ends.streamlit) == (4000, "")
    ends.streamlit.sock.close()

    assert not ends.browser.fill()
    ends.browser.sock.close()
    eventually(lambda: not relay.counts())


def test_goodbye_to_both_sides(connect: Connect, relay: Relay) -> None:
    ends = connect()
    relay.close_all(GOODBYE, grace=10)

    assert close_of(ends.browser) == GOODBYE
    assert close_of(ends.streamlit) == GOODBYE
    # Whatever comes after the close frame is thrown away.
    ends.streamlit.sock.sendall(frames.text("too late").encode())
    ends.streamlit.sock.close()
    assert close_of(ends.browser) is None


def test_goodbye_waits_for_the_end_of_a_frame(connect: Connect, relay: Relay) -> None:
    ends = connect()
    frame = frames.text("hello").encode()
    ends.streamlit.sock.sendall(frame[:3])
    assert ends.browser.read(3) == frame[:3]
    relay.close_all(GOODBYE, grace=10)
    assert close_of(ends.streamlit) == GOODBYE
    ends.streamlit.sock.sendall(frame[3:])

    assert ends.browser.read(len(frame) - 3) == frame[3:]
    assert close_of(ends.browser) == GOODBYE


def test_goodbye_to_one_replica(connect: Connect, relay: Relay) -> None:
    gone, other = connect(replica="r1"), connect(replica="r2")
    relay.close_all(GOODBYE, 10, replica="r1")

    assert close_of(gone.browser) == GOODBYE
    other.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(other.streamlit) is not None


def test_goodbye_has_an_end(connect: Connect, relay: Relay) -> None:
    """Peers that don't answer are dropped."""
    ends = connect()
    relay.close_all(GOODBYE, grace=0.0)

    assert close_of(ends.browser) == GOODBYE
    eventually(lambda: not relay.counts())


@pytest.mark.usefixtures("impatient")
def test_peers_that_keep_their_side_open(connect: Connect, relay: Relay) -> None:
    ends = connect()
    ends.browser.sock.shutdown(socket.SHUT_WR)

    assert not ends.streamlit.fill()
    eventually(lambda: not relay.counts())


def test_counts(connect: Connect, relay: Relay) -> None:
    for replica in ("r1", "r2", "r1"):
        connect(replica=replica)

    assert relay.counts() == {"r1": 2, "r2": 1}


def test_trouble_costs_one_connection(
    connect: Connect, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the relay ends the connection that it shows on, not the others."""
    bad, good = connect(), connect()
    original = links.Side.receive

    def receive(side: links.Side, buffer: memoryview) -> None:
        if side.sock.recv(3, socket.MSG_PEEK) == b"bad":
            raise RuntimeError("a bug")
        original(side, buffer)

    monkeypatch.setattr(links.Side, "receive", receive)
    bad.browser.sock.sendall(b"bad")

    assert not bad.browser.fill()
    good.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(good.streamlit) is not None


def test_stop_drops_what_is_open(connect: Connect, relay: Relay) -> None:
    ends = connect()
    relay.stop()

    assert not ends.browser.fill()
    assert not relay.counts()
