"""The relay, between two socket pairs: a browser's and Streamlit's."""

from __future__ import annotations

import collections
import functools
import socket
import threading
import typing as t

import pytest

from fluxsync.bridges.limits import Limits
from fluxsync.bridges.relay import Relay, Session
from fluxsync.bridges.sides import Side
from fluxsync.sansio import closecodes
from fluxsync.sansio.admission import Full
from fluxsync.sansio.closecodes import Close
from fluxsync.sansio.relayed import Context
from tests.support import frames
from tests.support.frames import Frame
from tests.support.http import Response, Stream, parse_head
from tests.support.relays import (
    HEAD,
    LONG,
    MASK,
    SOON,
    Connect,
    Ends,
    close_of,
    unix_pair,
    wait_for,
)
from tests.support.upstream import reset
from tests.support.waiting import eventually

GOODBYE = Close(closecodes.GOING_AWAY, "bye")


@pytest.fixture
def full(relay: Relay) -> list[Full]:
    """What the relay has told of who is refused."""
    told: list[Full] = []
    relay._on_full = lambda: told.append(relay.full)
    return told


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


def test_peers_that_keep_their_side_open(connect: Connect, relay: Relay) -> None:
    relay.configure(Limits(close_timeout=0.01))
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
    original = Side.receive

    def receive(side: Side) -> None:
        sock = t.cast(socket.socket, side.sock)
        if sock.recv(3, socket.MSG_PEEK) == b"bad":
            raise RuntimeError("a bug")
        original(side)

    monkeypatch.setattr(Side, "receive", receive)
    bad.browser.sock.sendall(b"bad")

    assert not bad.browser.fill()
    good.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(good.streamlit) is not None


def test_stop_drops_what_is_open(connect: Connect, relay: Relay) -> None:
    ends = connect()
    relay.stop()

    assert not ends.browser.fill()
    assert not relay.counts()


# Limits of connections


def refused(ends: Ends) -> Response:
    """Return the answer that a browser got instead of its 101."""
    head = ends.browser.read_until(b"\r\n\r\n")
    assert head is not None
    message = parse_head(head)
    body = ends.browser.read(int(message.get("Content-Length")))
    assert not ends.browser.fill()
    return Response(message.start_line, message.headers, head, body)


def test_limit_of_all_connections(connect: Connect, full: list[Full], relay: Relay) -> None:
    """The handshake was done by a worker that didn't know yet."""
    relay.configure(Limits(max_connections=1))
    first = connect()
    assert full == [Full(total=True)]
    second = connect(wait=False, to_upstream=frames.text("early").encode(MASK))
    answer = refused(second)

    assert answer.status == 503
    assert answer.get("Retry-After") == "10"
    assert answer.get("Connection") == "close"
    assert answer.text == "too many WebSockets are open (gateway_ws_max_connections)\n"
    assert not second.streamlit.fill(), "Streamlit has seen nothing of it"
    assert relay.counts() == {"r1": 1}
    first.close()
    eventually(lambda: relay.full == Full())
    connect()
    assert full == [Full(total=True), Full(), Full(total=True)]


def test_limit_of_one_client(connect: Connect, full: list[Full], relay: Relay) -> None:
    relay.configure(Limits(max_connections_per_client=1))
    first = connect(address="192.0.2.1")
    connect(address="192.0.2.2")
    answer = refused(connect(wait=False, address="192.0.2.1"))

    assert answer.status == 503
    assert "gateway_ws_max_connections_per_client" in answer.text
    assert relay.counts() == {"r1": 2}
    first.close()
    eventually(lambda: relay.full == Full(clients=frozenset({"192.0.2.2"})))
    connect(address="192.0.2.1")
    assert len(full) == 4


@pytest.mark.parametrize("end", ["refused", "dropped", "reset", "failed"])
def test_connections_are_counted_right(
    connect: Connect, relay: Relay, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they end, there's room again."""
    relay.configure(Limits(max_connections=1, max_message=1, close_timeout=SOON))
    for _ in range(3):
        ends = connect(tcp=True)
        refused(connect(wait=False))
        if end == "refused":
            ends.browser.sock.sendall(frames.text("xx").encode(MASK))
        elif end == "dropped":
            relay.close_all(GOODBYE, 0)
        elif end == "reset":
            reset(ends.browser.sock)
        else:
            with monkeypatch.context() as patch:
                patch.setattr(Side, "receive", lambda side: 1 / 0)
                ends.browser.sock.sendall(b"x")
                eventually(lambda: not relay.counts())
        eventually(lambda: relay.full == Full())
    assert not relay.counts()


def test_other_limits_while_connections_are_open(connect: Connect, relay: Relay) -> None:
    """Those that are open count, and stay."""
    ends = [connect(address="192.0.2.1") for _ in range(3)]
    relay.configure(Limits(max_connections=2))
    refused(connect(wait=False))
    relay.configure(Limits(max_connections_per_client=3))
    refused(connect(wait=False, address="192.0.2.1"))
    connect(address="192.0.2.2").close()
    eventually(lambda: relay.counts() == {"r1": 3})
    relay.configure(Limits(max_connections=2))
    wait_for(relay.loop)
    assert relay.full.total
    ends[0].close()
    eventually(lambda: relay.counts() == {"r1": 2})
    assert relay.full.total
    ends[1].close()
    eventually(lambda: not relay.full.total)
    connect()
    refused(connect(wait=False))

    assert relay.counts() == {"r1": 2}


def test_room_that_others_need(connect: Connect, relay: Relay, full: list[Full]) -> None:
    """It's counted when there's none, too, and is there again as they go."""
    relay.configure(Limits(max_connections=2))
    connect().close()
    eventually(lambda: not relay.counts())
    for change, total in ((1, False), (2, True), (-1, True), (-1, False), (-1, False)):
        relay.loop.call(functools.partial(relay.reserve, change))
        wait_for(relay.loop)
        assert relay.full == Full(total=total)

    assert full == [Full(total=True), Full()]
    connect()
    connect()
    refused(connect(wait=False))


def test_many_come_and_go_at_once(relay: Relay) -> None:
    """Threads hand connections over while others end: no number is mixed up."""
    relay.configure(Limits(close_timeout=LONG))

    def come_and_go(name: str) -> None:
        for i in range(30):
            (browser, client), (upstream, streamlit) = unix_pair(), unix_pair()
            early = frames.text(f"{name}.{i}")
            relay.add(Session("id", name), client, upstream, HEAD + early.encode(), b"")
            with browser, streamlit:
                stream = Stream(browser)
                assert stream.read(len(HEAD)) == HEAD
                assert frames.read_frame(stream) == early
                browser.sendall(frames.text(f"{name}.{i}").encode(MASK))
                got = frames.read_frame(Stream(streamlit))
                assert got is not None
                assert got.payload == early.payload
                results.append(name)

    results: list[str] = []
    threads = [threading.Thread(target=come_and_go, args=(f"{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert collections.Counter(results) == {f"{n}": 30 for n in range(8)}
    eventually(lambda: not relay.counts())


# The end


def test_trouble_at_the_start(
    connect: Connect, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = connect()
    with monkeypatch.context() as patch:
        patch.setattr(Side, "take", lambda side, data: 1 / 0)
        bad = connect(HEAD + b"\x81\0")
        assert not bad.browser.fill()
        assert not bad.streamlit.fill()

    good.browser.sock.sendall(frames.text("hello").encode(MASK))
    assert frames.read_frame(good.streamlit) is not None
    assert relay.counts() == {"r1": 1}


def test_stop_while_much_is_going_on(connect: Connect, relay: Relay) -> None:
    busy = [connect() for _ in range(3)]
    for ends in busy:
        ends.streamlit.sock.sendall(frames.binary(bytes(1 << 24)).encode()[:10] + bytes(99))
    relay.close_all(GOODBYE, LONG)
    relay.stop()

    assert not relay.counts()
    for ends in busy:
        while ends.browser.fill():
            pass
        assert not ends.browser.was_reset or ends.streamlit.was_reset


# Uploads and downloads


@pytest.mark.parametrize("end", ["complete", "stopped"])
def test_download_is_counted(relay: Relay, end: str) -> None:
    """As long as it lasts; so a graceful end can wait for it."""
    over: list[tuple[int, str]] = []
    (browser, client), (upstream, streamlit) = unix_pair(), unix_pair()
    with browser, streamlit:
        relay.download(client, upstream, 4, b"head", lambda *outcome: over.append(outcome))
        assert Stream(browser).read(4) == b"head"
        assert (relay.transfers, relay.counts()) == (1, {})
        if end == "complete":
            streamlit.send(b"body")
            assert Stream(browser).read(4) == b"body"
        else:
            relay.stop()
        eventually(lambda: over)

    assert over == [(8, "") if end == "complete" else (4, "stopped")]
    assert not relay.transfers


@pytest.mark.parametrize("end", ["complete", "stopped"])
def test_upload_is_counted(relay: Relay, end: str) -> None:
    over: list[tuple[int, int, str]] = []
    context = Context("id", "POST", "/upload", "")
    (browser, client), (upstream, streamlit) = unix_pair(), unix_pair()
    with browser, streamlit:
        pair = client, upstream
        relay.upload(context, pair, 4, b"head", lambda *outcome: over.append(outcome))
        assert Stream(streamlit).read(4) == b"head"
        assert (relay.transfers, relay.counts()) == (1, {})
        if end == "complete":
            browser.send(b"body")
            assert Stream(streamlit).read(4) == b"body"
            streamlit.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert Stream(browser).read_until(b"\r\n\r\n") is not None
        else:
            relay.stop()
        eventually(lambda: over)

    assert over == [(204, 0, "") if end == "complete" else (0, 0, "stopped")]
    assert not relay.transfers
