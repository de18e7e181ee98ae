"""Streamlit's WebSocket over plain HTTP: on each transport, whatever happens to the requests."""

from __future__ import annotations

import contextlib
import random
import re
import typing as t

import pytest

from tests.support import frames
from tests.support.frames import Frame
from tests.support.gateways import Gateway
from tests.support.http import Connection
from tests.support.records import Records, State
from tests.support.tunnel import MASK, PIECE, TRANSPORTS, Answer, Tunnel
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

KEY = "0123456789abcdef"


@pytest.fixture
def tunnel(live: Gateway) -> t.Iterator[Tunnel]:
    """A page of each gateway."""
    with Tunnel(live.port, live.mount.sent) as page:
        yield page


def pieces(connection: Connection) -> t.Iterator[bytes]:
    """Yield a response's body as it comes; its status is 200."""
    response = connection.read_head()
    assert response.status == 200, response.raw
    yield from connection.iter_body(response)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_echo(tunnel: Tunnel, seen: FakeStreamlit, transport: str) -> None:
    opened = tunnel.open(transport=transport, reason="websocket-refused+buffered")
    assert opened.status == 200
    assert re.fullmatch(r"[\w-]{32}", tunnel.id)
    assert opened.json() == {
        "id": tunnel.id,
        "protocol": "streamlit",
        "hold": True,
        "wait": 20,
        "piece": PIECE,
    }
    for text in ("hello", "", "x" * 70_000):
        assert tunnel.echo(text) == text
    tunnel.send(frames.binary(b"\0\1\2"))
    assert tunnel.receive() == frames.binary(b"\0\1\2")

    request = seen.wait_for_websocket().request
    assert request.target == "/_stcore/stream"
    assert request.get("X-Fluxsync-Transport") == transport
    assert request.get("X-Fluxsync-Fallback") == "websocket-refused+buffered"


def test_messages_both_ways_at_once(tunnel: Tunnel) -> None:
    """A short poll takes a piece and brings one."""
    tunnel.open(transport="short-poll")
    tunnel.send(frames.text("one"))
    first = tunnel.receive()
    message = frames.binary(bytes(range(256)) * 800)
    answer = tunnel.exchange(message.encode(MASK))

    assert first.payload == b"one"
    assert answer.state.received == tunnel.sent
    assert tunnel.receive() == message


def test_transports_change_in_the_middle(tunnel: Tunnel) -> None:
    """Of a message, in both directions."""
    messages = [frames.binary(bytes([number]) * 90_000) for number in range(6)]
    stream = b"".join(message.encode(MASK) for message in messages)
    tunnel.open(transport="stream")
    for number in range(18):
        tunnel.mode = TRANSPORTS[number % 3]
        tunnel.push(stream[number * 30_000 : (number + 1) * 30_000])
        tunnel.exchange(limit=20_000)
    tunnel.push(stream[18 * 30_000 :])

    assert [tunnel.receive() for _ in messages] == messages


def test_what_streamlit_says_first(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """Right behind its 101."""
    seen.greeting = frames.binary(b"welcome").encode()
    tunnel.open()

    assert tunnel.receive() == frames.binary(b"welcome")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_close_of_streamlit(tunnel: Tunnel, transport: str) -> None:
    """The page gets it, and then the tunnel is no more."""
    tunnel.open(transport=transport)
    tunnel.send(frames.text("close 4321 so long"))
    close = tunnel.receive()
    assert (close.close_code, close.close_reason) == (4321, "so long")
    tunnel.send(frames.close(4321))
    tunnel.drop_stream()

    eventually(lambda: tunnel.exchange().status == 404, what="its end")


def test_close_of_the_page(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    tunnel.open()
    tunnel.send(frames.close(1000, "done"))
    close = tunnel.receive()
    upstream = seen.wait_for_websocket()

    assert close == frames.close(1000, "done")
    assert upstream.ended.wait(10)
    assert (upstream.close_code, upstream.close_reason) == (1000, "done")


def test_page_that_goes(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """Streamlit is told, and the response that waits ends."""
    tunnel.open()
    with tunnel.hold("stream") as waiting:
        body, records = pieces(waiting), Records()
        records.feed(next(body))
        assert tunnel.request("close").status in (200, 204)
        assert list(body) == []
    upstream = seen.wait_for_websocket()
    assert upstream.ended.wait(10)
    assert upstream.close_code == 1001
    assert tunnel.exchange().status == 404
    assert (records.states[0].total, records.is_complete) == (0, True)


def test_streamlit_that_vanishes(tunnel: Tunnel) -> None:
    """The page is told that the service restarts, and not nothing."""
    tunnel.open()
    tunnel.send(frames.text("abort"))

    assert tunnel.receive().close_code == 1012


def test_pings_of_streamlit(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """They're answered without the page, between two of its frames."""
    tunnel.open()
    long = frames.binary(b"x" * 1000).encode(MASK)
    tunnel.send(frames.text("ping one"))
    upstream = seen.wait_for_websocket()
    one, two = (Frame(0x80 | frames.PONG, name, masked=True) for name in (b"one", b"two"))
    eventually(lambda: one in upstream.frames, what="the first answer")
    tunnel.push(long[:500])
    upstream.send(Frame(0x80 | frames.PING, b"two"))
    tunnel.push(long[500:])

    assert tunnel.receive() == frames.binary(b"x" * 1000)
    eventually(lambda: two in upstream.frames, what="the second answer")


def test_newest_response_waits(tunnel: Tunnel) -> None:
    """An older one is ended properly."""
    tunnel.open()
    records = Records()
    with tunnel.hold("stream") as first:
        body = pieces(first)
        assert next(body).startswith(b"\0")
        with tunnel.hold("long-poll") as second:
            assert list(body) == []
            with tunnel.hold("stream") as third:
                answer = Answer(second.read_response("POST"))
                assert (answer.status, answer.data) == (200, b"")
                tunnel.send(frames.text("hello"))
                body = pieces(third)
                while not records.pieces:
                    records.feed(next(body))
    assert records.data == frames.text("hello").encode()


def test_probe(tunnel: Tunnel) -> None:
    """It begins at once, and ends with the second request."""

    def states() -> list[State]:
        with tunnel.begin(f"probe?key={KEY}") as waiting:
            body = pieces(waiting)
            records = Records()
            records.feed(next(body))
            assert len(records.states) == 1
            second = Answer(tunnel.request(f"probe?key={KEY}&ack=1"))
            for piece in body:
                records.feed(piece)
        assert (second.status, len(second.records.states)) == (200, 1)
        return records.states

    # It waits for a second only, which may pass by on a busy machine.
    eventually(lambda: states() == [State(0, 0, 0)] * 2)


# Requests that get lost, repeated, cut and overtaken


def test_requests_twice(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """And every other answer is lost."""
    tunnel.open()
    texts = [f"{number}" * number for number in range(1, 20)]
    for number, text in enumerate(texts):
        data = frames.text(text).encode(MASK)
        first = Answer(tunnel.request(tunnel.query(limit=0), data))
        again = Answer(tunnel.request(tunnel.query(limit=0), data))
        assert first.state.received == again.state.received == tunnel.sent + len(data)
        tunnel.sent += len(data)
        lost = Answer(tunnel.request(tunnel.query(wait=20)))
        assert lost.data
        if number % 2:
            tunnel.take(lost)
    assert [tunnel.receive().payload.decode() for _ in texts] == texts
    sent = [frame.payload.decode() for frame in seen.wait_for_websocket().frames]
    assert sent == texts


def test_requests_that_break_off(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """In the middle of the request, before the answer, and in the middle of it."""
    tunnel.open(transport="long-poll")
    random.seed(4)
    messages = [frames.binary(random.randbytes(60_000)) for _ in range(8)]
    for message in messages:
        data = message.encode(MASK)
        length = ("Content-Length", str(len(data)))
        with tunnel.begin(tunnel.query(limit=0), data[:3_000], [length]) as cut:
            cut.reset()
        with tunnel.begin(tunnel.query(limit=0), data):
            pass
        tunnel.push(data)
        for mode in ("long-poll", "stream"):
            with tunnel.hold(mode) as connection:
                body, records = pieces(connection), Records()
                with contextlib.suppress(StopIteration):
                    while not records.pieces:
                        records.feed(next(body))
                connection.reset()
            for position, part in records.pieces:
                tunnel.put(position, part[: len(part) // 2])
    assert [tunnel.receive() for _ in messages] == messages
    assert len(seen.wait_for_websocket().frames) == len(messages)


def test_requests_that_are_overtaken(tunnel: Tunnel) -> None:
    """Old positions change nothing; bytes of a gap aren't taken."""
    tunnel.open()
    one, two = (frames.text(text).encode(MASK) for text in ("one", "two"))
    early = tunnel.exchange(two, sent=len(one), limit=0)
    tunnel.push(one + two)
    assert [tunnel.receive().payload for _ in range(2)] == [b"one", b"two"]
    tunnel.exchange()
    # A push that was sent before it was known that so much had come.
    late = tunnel.exchange(one, sent=0, received=0, limit=0)
    asked = tunnel.exchange(sent=0, received=0)

    assert early.status == 409
    assert (late.status, late.state.received) == (200, len(one + two))
    assert asked.status == 409
    assert tunnel.echo("three") == "three"


def test_pieces_that_overlap(tunnel: Tunnel, seen: FakeStreamlit) -> None:
    """Only what is new counts."""
    tunnel.open()
    texts = [f"message {number}" for number in range(30)]
    data = b"".join(frames.text(text).encode(MASK) for text in texts)
    for end in range(7, len(data) + 7, 7):
        begin = max(0, end - 40)
        assert tunnel.exchange(data[begin:end], sent=begin, limit=0).status == 200

    assert [tunnel.receive().payload.decode() for _ in texts] == texts
    assert len(seen.wait_for_websocket().frames) == len(texts)
