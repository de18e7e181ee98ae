"""One end of a WebSocket: what passes it, at which pace, and how it ends."""

from __future__ import annotations

import socket
import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.bridges.sides import HIGH_WATER
from fluxsync.sansio.closecodes import SERVICE_RESTART
from tests.support import frames
from tests.support.frames import Frame
from tests.support.relays import (
    MASK,
    SOON,
    Connect,
    catch_up,
    close_of,
    is_readable,
    send_until_it_blocks,
)
from tests.support.upstream import reset
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.links import Link
    from fluxsync.bridges.relay import Relay
    from tests.support.http import Stream
    from tests.support.relays import Ends, Rounds

#: What one read takes at most.
READ_SIZE = 256 * 1024


def only_link(relay: Relay) -> Link:
    (link,) = relay._links
    return link


def ends_of(ends: Ends, direction: str) -> tuple[Stream, Stream, bytes | None]:
    """Return who sends in a direction, who receives, and with which mask."""
    if direction == "up":
        return ends.browser, ends.streamlit, MASK
    return ends.streamlit, ends.browser, None


PING = Frame(0x80 | frames.PING)

both_directions = pytest.mark.parametrize("direction", ["up", "down"])


@both_directions
def test_frames_cut_anywhere(connect: Connect, relay: Relay, direction: str) -> None:
    """They pass unchanged, whatever pieces they come in."""
    sender, receiver, mask = ends_of(connect(), direction)
    sent = b"".join(
        frame.encode(mask)
        for frame in (
            Frame(frames.TEXT, b"one"),
            Frame(0x80 | frames.PING, b"p"),
            Frame(0x80 | frames.CONTINUATION, b"two"),
            frames.binary(bytes(126)),
            frames.text(""),
        )
    )
    for cut in range(1, len(sent)):
        sender.sock.sendall(sent[:cut])
        catch_up(relay.loop)
        sender.sock.sendall(sent[cut:])
        assert receiver.read(len(sent)) == sent


@both_directions
def test_bytes_one_by_one(connect: Connect, relay: Relay, direction: str) -> None:
    """A header of the longest kind, and a close frame."""
    sender, receiver, mask = ends_of(connect(), direction)
    head = frames.binary(bytes(1 << 16)).encode(mask)[: 14 if mask else 10]
    close = frames.close(4000, "own words").encode(mask)
    for pieces in (head, close):
        for i in range(len(pieces)):
            sender.sock.sendall(pieces[i : i + 1])
            catch_up(relay.loop)
        if pieces is head:
            sender.sock.sendall(bytes(1 << 16))
            receiver.read(len(head) + (1 << 16))

    assert close_of(receiver) == (4000, "own words")


@both_directions
def test_slow_reader(connect: Connect, relay: Relay, rounds: Rounds, direction: str) -> None:
    """What waits for it has a limit, nobody else notices, and nothing is lost."""
    slow, other = connect(tcp=True, replica="slow"), connect()
    sender, receiver, mask = ends_of(slow, direction)
    head = frames.binary(bytes(1 << 24)).encode(mask)[: 14 if mask else 10]
    sender.sock.sendall(head)
    sent = len(head) + send_until_it_blocks(sender.sock, 1 << 24, relay.loop)
    catch_up(relay.loop)

    (link,) = (link for link in relay._links if link.session.replica == "slow")
    side = link.upstream if direction == "up" else link.client
    assert HIGH_WATER < len(side.out) <= HIGH_WATER + READ_SIZE
    rounds.check_idle(relay.loop)
    other.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(other.streamlit) == Frame(0x81, b"hello", masked=True)

    assert receiver.read(sent) == head + bytes(sent - len(head))
    catch_up(relay.loop)
    assert not side.out
    rounds.check_idle(relay.loop)


@both_directions
def test_end_behind_what_a_slow_reader_has_yet_to_take(
    connect: Connect, relay: Relay, direction: str
) -> None:
    sender, receiver, mask = ends_of(connect(tcp=True), direction)
    head = frames.binary(bytes(1 << 23)).encode(mask)[: 14 if mask else 10]
    sender.sock.sendall(head)
    sent = len(head) + send_until_it_blocks(sender.sock, 1 << 23, relay.loop)
    sender.sock.close()

    assert len(receiver.read(sent)) == sent
    assert not receiver.fill()


def test_half_closed_by_the_browser(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    """Streamlit sees that, and may have its say."""
    ends = connect()
    ends.browser.sock.shutdown(socket.SHUT_WR)
    assert not ends.streamlit.fill()
    rounds.check_idle(relay.loop)
    ends.streamlit.sock.sendall(frames.text("still there").encode())
    assert frames.read_frame(ends.browser) == frames.text("still there")
    ends.streamlit.sock.close()

    assert not ends.browser.fill()
    eventually(lambda: not relay.counts())


def test_half_closed_by_streamlit(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    """The browser sees that behind a close frame, and may have its say."""
    ends = connect()
    ends.streamlit.sock.sendall(frames.close(1000).encode())
    ends.streamlit.sock.shutdown(socket.SHUT_WR)
    assert close_of(ends.browser) == (1000, "")
    assert not ends.browser.fill()
    rounds.check_idle(relay.loop)
    ends.browser.sock.sendall(frames.close(1000).encode(MASK))
    assert close_of(ends.streamlit) == (1000, "")
    ends.browser.sock.close()

    eventually(lambda: not relay.counts())


def test_reset_by_the_browser(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    ends = connect(tcp=True)
    reset(ends.browser.sock)

    assert not ends.streamlit.fill()
    rounds.check_idle(relay.loop)
    ends.streamlit.sock.sendall(frames.text("to nobody").encode())
    ends.streamlit.sock.close()
    eventually(lambda: not relay.counts())


def test_reset_by_streamlit(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    ends = connect(tcp=True)
    reset(ends.streamlit.sock)

    assert close_of(ends.browser) == (SERVICE_RESTART, "")
    assert not ends.browser.fill()
    rounds.check_idle(relay.loop)
    ends.browser.sock.sendall(frames.text("to nobody").encode(MASK))
    ends.browser.sock.close()
    eventually(lambda: not relay.counts())


def test_reset_while_the_other_side_is_slow(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    """Nothing is read then, so nothing but the write that fails would tell."""
    ends = connect(tcp=True)
    ends.streamlit.sock.sendall(frames.binary(bytes(1 << 24)).encode()[:10])
    send_until_it_blocks(ends.streamlit.sock, 1 << 24, relay.loop)
    reset(ends.browser.sock)

    eventually(lambda: not is_open(ends.streamlit))
    rounds.check_idle(relay.loop)


def is_open(stream: Stream) -> bool:
    return not is_readable(stream.sock) or stream.fill()


def test_last_words_of_a_side_that_takes_nothing_more(connect: Connect, relay: Relay) -> None:
    """Writing to it fails, while what it said before has yet to be read."""
    ends = connect()
    ends.streamlit.sock.shutdown(socket.SHUT_RD)
    ends.browser.sock.sendall(frames.text("too late").encode(MASK))
    catch_up(relay.loop)
    ends.browser.sock.sendall(frames.text("too late").encode(MASK))
    catch_up(relay.loop)
    ends.streamlit.sock.sendall(frames.text("so").encode() + frames.close(1000, "bye").encode())
    ends.streamlit.sock.close()

    assert frames.read_frame(ends.browser) == frames.text("so")
    assert close_of(ends.browser) == (1000, "bye")
    assert not ends.browser.fill()


@both_directions
def test_side_that_takes_nothing_more_has_an_end(
    connect: Connect, relay: Relay, direction: str
) -> None:
    relay.configure(Limits(close_timeout=SOON))
    sender, receiver, mask = ends_of(connect(), direction)
    receiver.sock.shutdown(socket.SHUT_RD)
    sender.sock.sendall(frames.text("hello").encode(mask))

    eventually(lambda: not relay.counts())


@both_directions
def test_nothing_passes_behind_a_close_frame(
    connect: Connect, relay: Relay, direction: str
) -> None:
    """However much it is, it's thrown away."""
    sender, receiver, mask = ends_of(connect(), direction)
    message = frames.text("too late").encode(mask)
    sender.sock.sendall(frames.close(1000).encode(mask) + message)
    for _ in range(20):
        sender.sock.sendall(bytes(1 << 16))
    catch_up(relay.loop)
    link = only_link(relay)
    assert not link.client.out
    assert not link.upstream.out
    sender.sock.close()

    assert close_of(receiver) == (1000, "")
    assert close_of(receiver) is None


@both_directions
def test_close_frame_without_an_answer(connect: Connect, relay: Relay, direction: str) -> None:
    """Both keep their connection open. There's an end, and no ping before it."""
    relay.configure(Limits(ping_interval=SOON, ping_timeout=0, close_timeout=20 * SOON))
    ends = connect()
    sender, receiver, mask = ends_of(ends, direction)
    sender.sock.sendall(frames.close(1000).encode(mask))
    while (frame := frames.read_frame(receiver)) == PING:
        pass

    assert frame is not None
    assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1000)
    assert close_of(receiver) is None
    eventually(lambda: not relay.counts())
