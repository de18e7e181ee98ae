"""Large messages and slow pages in constant memory; large requests in front of each worker class."""

from __future__ import annotations

import hashlib
import os
import threading
import typing as t

import psutil
import pytest

from tests.conftest import StartGateway
from tests.support import frames
from tests.support.frames import Frame
from tests.support.gateways import Gateway
from tests.support.records import Records
from tests.support.tunnel import FIELD, MASK, PIECE, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit, pattern
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

MB = 1024 * 1024
WINDOW = MB


@pytest.fixture
def server(gateway: StartGateway) -> Gateway:
    return gateway(args=("--workers", "2"))


@pytest.fixture
def growth(server: Gateway) -> t.Callable[[], float]:
    """Return by how many MB the supervisor or a worker has grown since."""
    with Tunnel(server.port) as page:
        page.open(transport="short-poll")
        for _ in range(10):
            page.send(frames.binary(b"x" * 500_000))
            page.receive()
    everyone = [*server.find("supervisord"), *psutil.Process(server.pid).children()]
    assert len(everyone) == 3
    before = {process: process.memory_info().rss for process in everyone}
    return lambda: max(p.memory_info().rss - rss for p, rss in before.items()) / MB


def say(upstream: FakeStreamlit, number: int, frame: Frame) -> threading.Thread:
    """Have Streamlit say something that a slow page keeps it from saying."""
    websocket = upstream.wait_for_websocket(number)
    thread = threading.Thread(target=websocket.send, args=(frame,))
    thread.start()
    return thread


def test_large_message_comes_down(
    server: Gateway, upstream: FakeStreamlit, growth: t.Callable[[], float]
) -> None:
    """50 MB as a stream, acknowledged as a page does."""
    message = frames.binary(b"".join(pattern(50 * MB)))
    digest, most, acknowledged = hashlib.sha256(), 0.0, 0
    with Tunnel(server.port) as page:
        page.open(transport="stream")
        thread = say(upstream, 1, message)
        whole = message.encode()
        with page.hold() as connection:
            records, body = Records(), connection.iter_body(connection.read_head())
            while page.received < len(whole):
                records.feed(next(body))
                for position, data in records.pieces:
                    assert position == page.received
                    page.received += len(data)
                    digest.update(data)
                records.pieces.clear()
                if page.received - acknowledged >= PIECE // 2:
                    acknowledged = page.received
                    page.exchange(limit=0)
                    most = max(most, growth())
        thread.join()

    assert digest.digest() == hashlib.sha256(whole).digest()
    assert most < 16


def test_large_message_goes_up(
    server: Gateway, upstream: FakeStreamlit, growth: t.Callable[[], float]
) -> None:
    """64 MB in fragments, as a page sends them; the echo comes with the same requests.

    What the supervisor has once needed for that, it keeps: up to 20 MB, however much passes.
    """
    parts = [os.urandom(65536) for _ in range(64 * MB // 65536)]
    fragments = [Frame(frames.CONTINUATION, part) for part in parts]
    fragments[0] = Frame(frames.BINARY, parts[0])
    fragments[-1] = Frame(0x80 | frames.CONTINUATION, parts[-1])
    data = b"".join(fragment.encode(MASK) for fragment in fragments)
    digest, expected, most = hashlib.sha256(), hashlib.sha256(), 0.0
    for fragment in fragments:
        expected.update(fragment.encode())
    size = sum(len(fragment.encode()) for fragment in fragments)
    with Tunnel(server.port) as page:
        page.open(transport="short-poll")
        while page.received < size:
            answer = page.exchange(data[page.sent : page.sent + PIECE])
            assert answer.status == 200
            digest.update(answer.data)
            page.forget()
            most = max(most, growth())

    assert digest.digest() == expected.digest()
    assert most < 32


def test_slow_page(server: Gateway, upstream: FakeStreamlit, growth: t.Callable[[], float]) -> None:
    """One that doesn't read keeps Streamlit from sending to it, and to nobody else."""
    message = frames.binary(b"".join(pattern(30 * MB)))
    with Tunnel(server.port) as slow, Tunnel(server.port) as other:
        slow.open()
        thread = say(upstream, 1, message)
        eventually(lambda: slow.exchange(limit=0).state.total == WINDOW, what="a full window")
        other.open()
        for _ in range(20):
            other.send(frames.binary(b"x" * 500_000))
            other.receive()
        assert slow.exchange(limit=0).state.total == WINDOW
        assert thread.is_alive()
        assert growth() < 16
        assert slow.receive() == message
        thread.join()


def test_slow_streamlit(server: Gateway, upstream: FakeStreamlit) -> None:
    """What it doesn't take, a page keeps; nothing of it is lost."""
    messages = [frames.binary(os.urandom(200_000)) for _ in range(150)]
    data = b"".join(message.encode(MASK) for message in messages)
    with Tunnel(server.port) as page:
        page.open()
        taken = -1
        # It answers each, and takes no more of them as long as nobody takes the answers.
        while page.sent > taken:
            taken = page.sent
            page.exchange(data[page.sent : page.sent + PIECE], limit=0)
        assert page.sent < len(data)
        page.mode = "short-poll"
        received: list[Frame] = []
        while len(received) < len(messages):
            page.exchange(data[page.sent : page.sent + PIECE])
            while (frame := page.next_frame()) is not None:
                received.append(frame)
    assert received == messages


# In front of each worker class


@pytest.fixture
def tunnel(live: Gateway) -> t.Iterator[Tunnel]:
    """An open tunnel, which still works in the end."""
    with Tunnel(live.port, live.mount.sent) as page:
        assert page.open().status == 200
        yield page
        assert page.echo("still there") == "still there"


def test_body_that_is_too_large(tunnel: Tunnel) -> None:
    """Where it says so, it's refused before it's read."""
    length = [("Content-Length", str(PIECE + 1))]
    with tunnel.begin(tunnel.query(limit=0), b"", length) as connection:
        assert_problem(connection.read_response("POST"), 413)
    with tunnel.begin("open", b"", [(FIELD, "new"), ("Content-Length", "70000")]) as connection:
        assert_problem(connection.read_response("POST"), 413)
    whole = frames.binary(b"x" * (PIECE - 14)).encode(MASK)
    assert len(whole) == PIECE
    assert tunnel.exchange(whole, limit=0).state.received == PIECE
    assert tunnel.receive().payload == b"x" * (PIECE - 14)


def test_chunked_bodies(tunnel: Tunnel) -> None:
    chunked = [("Transfer-Encoding", "chunked")]
    data = frames.text("hello").encode(MASK)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    accepted = tunnel.request(tunnel.query(limit=0), body, chunked)
    assert accepted.status == 200
    tunnel.sent += len(data)
    assert tunnel.receive() == frames.text("hello")
    large = (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 5 + b"0\r\n\r\n"
    assert_problem(tunnel.request(tunnel.query(limit=0), large, chunked), 413)
    for broken in (b"zz\r\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n"):
        assert tunnel.request(tunnel.query(limit=0), broken, chunked).status == 400
