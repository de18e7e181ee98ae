"""A WebSocket in the relay: what fluxsync itself has to say on it, and when it ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.sansio import closing
from fluxsync.sansio.closecodes import Close
from tests.support import frames
from tests.support.frames import Frame
from tests.support.relays import (
    LONG,
    MASK,
    SOON,
    Connect,
    catch_up,
    close_of,
    is_readable,
    send_until_it_blocks,
)
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.relay import Relay
    from tests.support.relays import Ends, Rounds

PING = Frame(0x80 | frames.PING)
#: Pings without end, and nobody has to answer.
PINGS = Limits(ping_interval=SOON, ping_timeout=0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Streamlit's answers as long as a busy machine takes."""
    monkeypatch.setattr(closing, "ANSWER", LONG)


def is_alive(ends: Ends) -> bool:
    """Whether messages pass both ways."""
    ends.browser.sock.sendall(frames.text("up").encode(MASK))
    ends.streamlit.sock.sendall(frames.text("down").encode())
    up, down = frames.read_frame(ends.streamlit), frames.read_frame(ends.browser)
    return (up, down) == (Frame(0x81, b"up", masked=True), frames.text("down"))


def closed(caplog: pytest.LogCaptureFixture) -> dict[str, t.Any]:
    """Return what the log says of the end."""
    (record,) = (r for r in caplog.records if r.getMessage() == "websocket closed")
    return vars(record)


# Pings


def test_silent_browser_is_pinged(connect: Connect, relay: Relay) -> None:
    relay.configure(PINGS)
    ends = connect()

    assert [frames.read_frame(ends.browser) for _ in range(3)] == [PING] * 3
    assert not is_readable(ends.streamlit.sock)


def test_answer_to_a_ping_reaches_streamlit(connect: Connect, relay: Relay) -> None:
    """RFC 6455 5.5.3: an unsolicited pong means no harm."""
    ends = connect()
    ends.browser.sock.sendall(Frame(0x80 | frames.PONG).encode(MASK))

    assert frames.read_frame(ends.streamlit) == Frame(0x80 | frames.PONG, masked=True)


def test_ping_waits_for_the_end_of_a_frame(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    relay.configure(PINGS)
    ends = connect()
    frame = frames.binary(b"x" * 100).encode()
    ends.streamlit.sock.sendall(frame[:50])
    passed = b""
    while not passed.endswith(b"x"):
        passed += ends.browser.read(1)
    looks = len(rounds.all)
    eventually(lambda: len(rounds.all) > looks + 5)  # it would have been time
    ends.streamlit.sock.sendall(frame[50:])

    pings = PING.encode() * (len(passed) // 2)
    assert pings.startswith(passed[: -passed.count(b"x") - 2])
    assert ends.browser.read(100 - passed.count(b"x")) == b"x" * (100 - passed.count(b"x"))
    assert frames.read_frame(ends.browser) == PING


def test_ping_before_a_frame_whose_header_is_incomplete(connect: Connect, relay: Relay) -> None:
    relay.configure(PINGS)
    ends = connect()
    frame = frames.text("hello").encode()
    ends.streamlit.sock.sendall(frame[:1])
    catch_up(relay.loop)
    assert frames.read_frame(ends.browser) == PING
    assert frames.read_frame(ends.browser) == PING
    ends.streamlit.sock.sendall(frame[1:])
    while (got := frames.read_frame(ends.browser)) == PING:
        pass

    assert got == frames.text("hello")


def test_browser_that_does_not_answer(
    connect: Connect, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fluxsync.websocket")
    relay.configure(Limits(ping_interval=SOON, ping_timeout=SOON))
    ends = connect()

    while frames.read_frame(ends.browser) == PING:
        pass
    assert not ends.streamlit.fill()
    eventually(lambda: not relay.counts())
    assert closed(caplog)["error"] == "the client does not answer a ping"


def test_browser_that_takes_nothing(connect: Connect, relay: Relay) -> None:
    """It gets no ping that it could answer."""
    relay.configure(Limits(ping_interval=SOON, ping_timeout=SOON))
    ends = connect()
    with contextlib.suppress(OSError):  # the end
        ends.streamlit.sock.sendall(frames.binary(bytes(1 << 24)).encode()[:10])
        send_until_it_blocks(ends.streamlit.sock, 1 << 24, relay.loop)

    eventually(lambda: not relay.counts())


def test_what_is_seen_of_a_websocket(connect: Connect, relay: Relay) -> None:
    """As the decisions of sansio need it."""
    ends = connect()
    (link,) = relay._links
    catch_up(relay.loop)
    first = link._seen()
    assert first == (first.sent_at, first.sent_at, 0, 0, False, False, False)

    assert is_alive(ends)
    catch_up(relay.loop)
    messages = link._seen()
    assert messages[2:] == (8, 2, False, False, False)
    assert messages.moved_at >= messages.sent_at > first.sent_at

    # Part of a message.
    ends.streamlit.sock.sendall(frames.binary(bytes(1 << 24)).encode()[:100])
    ends.browser.read(100)
    catch_up(relay.loop)
    part = link._seen()
    assert (part.busy, part.stuck) == (True, False)
    assert part.activity > messages.activity

    send_until_it_blocks(ends.streamlit.sock, 1 << 23, relay.loop)
    catch_up(relay.loop)
    stuck = link._seen()
    assert (stuck.busy, stuck.stuck, stuck.unread) == (True, True, False)
    assert stuck.activity > part.activity


def test_browser_that_is_not_read(connect: Connect, relay: Relay) -> None:
    """Streamlit takes nothing, so an answer to a ping isn't read: none is missed."""
    ends = connect()
    (link,) = relay._links
    ends.browser.sock.sendall(frames.binary(bytes(1 << 24)).encode(MASK)[:14])
    sent = 14 + send_until_it_blocks(ends.browser.sock, 1 << 23, relay.loop)
    catch_up(relay.loop)
    assert link._seen().unread

    ends.streamlit.read(sent)
    catch_up(relay.loop)
    assert not link._seen().unread


def test_tcp_asks_too(connect: Connect, relay: Relay) -> None:
    connect(tcp=True)
    (link,) = relay._links

    assert link.client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert not link.upstream.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# Limits


def test_idle_websocket_ends(
    connect: Connect, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fluxsync.websocket")
    relay.configure(Limits(ping_interval=0, idle_timeout=SOON))
    ends = connect()

    assert close_of(ends.browser) == (1001, "idle")
    assert close_of(ends.streamlit) == (1001, "idle")
    ends.close()
    eventually(lambda: not relay.counts())
    facts = closed(caplog)
    assert (facts["close"], facts["closed_by"]) == ("1001 (going away) idle", "fluxsync")
    assert (facts["code"], facts["transport"]) == (1001, "websocket")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        pytest.param(Limits(max_message=10), "message over 10 bytes", id="message"),
        pytest.param(Limits(max_frame=10), "frame over 10 bytes", id="frame"),
    ],
)
def test_message_that_is_too_large(
    connect: Connect,
    relay: Relay,
    limits: Limits,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Streamlit hears of it in the client's name; its answer is the client's. So it answers
    first what came before."""
    caplog.set_level("INFO", "fluxsync.websocket")
    relay.configure(limits)
    ends, other = connect(), connect(replica="r2")
    before, after = frames.text("fits").encode(MASK), frames.text("x" * 11).encode(MASK)
    ends.browser.sock.sendall(before + after + before)

    assert frames.read_frame(ends.streamlit) == Frame(0x81, b"fits", masked=True)
    close = frames.read_frame(ends.streamlit)
    assert close == Frame(0x88, frames.close(1009, reason).payload, masked=True)
    catch_up(relay.loop)
    assert not is_readable(ends.streamlit.sock), "it may still answer"
    assert not is_readable(ends.browser.sock)
    ends.streamlit.sock.sendall(frames.text("before").encode() + frames.close(1009).encode())
    ends.streamlit.sock.close()
    assert frames.read_frame(ends.browser) == frames.text("before")
    assert close_of(ends.browser) == (1009, "")
    assert close_of(ends.browser) is None
    ends.browser.sock.close()
    eventually(lambda: relay.counts() == {"r2": 1})
    assert closed(caplog)["close"] == f"1009 (message too big) {reason}"
    assert is_alive(other)


def test_limits_are_for_browsers_only(connect: Connect, relay: Relay) -> None:
    relay.configure(Limits(max_message=10, max_frame=10))
    ends = connect()
    ends.streamlit.sock.sendall(frames.text("x" * 11).encode())

    assert frames.read_frame(ends.browser) == frames.text("x" * 11)


@pytest.mark.parametrize("speaks", [True, False])
def test_streamlit_without_an_answer_to_the_refusal(
    connect: Connect, relay: Relay, speaks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets its close frame from fluxsync then, and one is enough."""
    monkeypatch.setattr(closing, "ANSWER", SOON)
    relay.configure(Limits(max_message=10))
    ends = connect()
    ends.browser.sock.sendall(frames.text("x" * 11).encode(MASK))

    assert close_of(ends.browser) == (1009, "message over 10 bytes")
    for _ in range(3):
        # Whatever happens then, nobody is told twice.
        if speaks:
            ends.browser.sock.sendall(b"more")
            ends.streamlit.sock.sendall(frames.text("more").encode())
        catch_up(relay.loop)
    assert close_of(ends.browser) is None
    ends.browser.sock.close()
    assert close_of(ends.streamlit) == (1009, "message over 10 bytes")
    assert close_of(ends.streamlit) is None


@pytest.mark.parametrize("within", [False, True])
def test_streamlit_ends_instead_of_answering_the_refusal(
    connect: Connect, relay: Relay, within: bool
) -> None:
    """It's not a restart."""
    relay.configure(Limits(max_message=10))
    ends = connect()
    part = frames.text("hello").encode()[:4] if within else b""
    ends.streamlit.sock.sendall(part)
    assert ends.browser.read(len(part)) == part
    ends.browser.sock.sendall(frames.text("x" * 11).encode(MASK))
    assert close_of(ends.streamlit) == (1009, "message over 10 bytes")
    ends.streamlit.sock.close()

    if not within:
        assert close_of(ends.browser) == (1009, "message over 10 bytes")
    assert close_of(ends.browser) is None


def test_refused_browser_that_goes_on(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    """A message of 200 MB isn't over with its refusal: it's thrown away until the client has
    heard, and that has an end."""
    relay.configure(Limits(max_message=10, close_timeout=20 * SOON))
    ends = connect()
    (link,) = relay._links
    ends.browser.sock.sendall(frames.binary(bytes(1 << 24)).encode(MASK)[:14])
    with contextlib.suppress(OSError):  # the end
        while not link.upstream.out:
            ends.browser.sock.sendall(bytes(1 << 16))

    assert not link.upstream.out
    eventually(lambda: not relay.counts())


# What's illegal

ILLEGAL = [
    pytest.param(b"\x81\x05hello", "unmasked frame", id="unmasked"),
    pytest.param(b"\xc1\x80\1\2\3\4", "reserved bit without its extension", id="reserved bit"),
    pytest.param(b"\x83\x80\1\2\3\4", "reserved opcode 0x3", id="reserved opcode"),
    pytest.param(b"\x09\x80\1\2\3\4", "fragmented control frame", id="fragmented ping"),
    pytest.param(b"\x89\xfe\0\x7e\1\2\3\4", "control frame over 125 bytes", id="long ping"),
    pytest.param(b"\x80\x80\1\2\3\4", "continuation without a start", id="continuation"),
]


@pytest.mark.parametrize(("frame", "reason"), ILLEGAL)
def test_illegal_frame_of_a_browser(
    connect: Connect, relay: Relay, frame: bytes, reason: str
) -> None:
    """It ends this connection and no other."""
    ends, other = connect(), connect()
    ends.browser.sock.sendall(frames.text("legal").encode(MASK) + frame)

    assert frames.read_frame(ends.streamlit) == Frame(0x81, b"legal", masked=True)
    assert close_of(ends.streamlit) == (1002, reason)
    ends.streamlit.sock.sendall(frames.close(1002, reason).encode())
    ends.streamlit.sock.close()
    assert close_of(ends.browser) == (1002, reason)
    assert close_of(ends.browser) is None
    assert is_alive(other)


def test_illegal_frame_that_came_with_the_handshake(connect: Connect, relay: Relay) -> None:
    ends = connect(to_upstream=b"\x81\x05hello")

    assert close_of(ends.streamlit) == (1002, "unmasked frame")


def test_illegal_frame_of_streamlit(
    connect: Connect, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are told at once, and once."""
    caplog.set_level("INFO", "fluxsync.websocket")
    ends, other = connect(), connect(replica="r2")
    ends.streamlit.sock.sendall(frames.text("legal").encode() + frames.text("x").encode(MASK))

    assert frames.read_frame(ends.browser) == frames.text("legal")
    assert close_of(ends.browser) == (1002, "masked frame")
    close = frames.read_frame(ends.streamlit)
    assert close == Frame(0x88, frames.close(1002, "masked frame").payload, masked=True)
    for _ in range(3):
        ends.browser.sock.sendall(frames.text("more").encode(MASK))
        ends.streamlit.sock.sendall(frames.text("more").encode())
        catch_up(relay.loop)
    assert close_of(ends.browser) is None
    assert is_alive(other)
    assert not is_readable(ends.streamlit.sock)
    ends.close()
    eventually(lambda: relay.counts() == {"r2": 1})
    assert closed(caplog)["close"] == "1002 (protocol error) masked frame"


def test_extension_that_was_agreed_on(connect: Connect, relay: Relay) -> None:
    """Its reserved bit is legal then, in both directions."""
    ends = connect(extensions="permessage-deflate; client_no_context_takeover")
    compressed = Frame(0x80 | 0x40 | frames.TEXT, b"\0")
    ends.browser.sock.sendall(compressed.encode(MASK))
    ends.streamlit.sock.sendall(compressed.encode())

    assert frames.read_frame(ends.streamlit) == Frame(0xC1, b"\0", masked=True)
    assert frames.read_frame(ends.browser) == compressed


# Goodbye


def test_goodbye_is_said_once(connect: Connect, relay: Relay, rounds: Rounds) -> None:
    """However often somebody wants to say it, and whatever the peers do meanwhile."""
    ends = connect()
    for _ in range(3):
        relay.close_all(Close(1001), LONG)
        relay.close_all(Close(1012), LONG)
        ends.browser.sock.sendall(frames.text("more").encode(MASK))
        ends.streamlit.sock.sendall(frames.text("more").encode())
        catch_up(relay.loop)
    rounds.check_idle(relay.loop)
    for stream in (ends.browser, ends.streamlit):
        while (frame := frames.read_frame(stream)) and frame.opcode == frames.TEXT:
            pass
        assert frame is not None
        assert (frame.opcode, frame.close_code) == (frames.CLOSE, 1001)

    assert close_of(ends.browser) is None
    assert not is_readable(ends.streamlit.sock), "it closes first, or its time is over"


def test_shorter_grace_counts(connect: Connect, relay: Relay) -> None:
    connect()
    relay.close_all(Close(1012), LONG)
    relay.close_all(Close(1001), SOON)
    relay.close_all(Close(1001), LONG)

    eventually(lambda: not relay.counts())


def test_goodbye_behind_what_a_slow_reader_has_yet_to_take(connect: Connect, relay: Relay) -> None:
    ends = connect(tcp=True)
    (link,) = relay._links
    # Much more than the network and the relay take.
    data = frames.binary(bytes(1 << 16)).encode() * (1 << 7)
    sender = threading.Thread(target=ends.streamlit.sock.sendall, args=(data,))
    sender.start()
    eventually(lambda: link._seen().stuck)
    relay.close_all(Close(1001), LONG)

    opcodes = []
    while (got := frames.read_frame(ends.browser)) is not None:
        opcodes.append(got.opcode)
    sender.join()  # what it still said was thrown away
    assert set(opcodes[:-1]) == {frames.BINARY}
    assert opcodes[-1] == frames.CLOSE
