"""API WebSockets on a pair of sockets; with a server around them in tests/live/test_api_kinds.py."""

from __future__ import annotations

import contextlib
import socket
import threading
import typing as t

import pytest
from simple_websocket import ConnectionClosed

from fluxsync.api.connection import WebSocket
from fluxsync.api.line import Line
from tests.support import frames
from tests.support.frames import Frame, binary, close, read_frame, text
from tests.support.http import Stream
from tests.support.waiting import eventually

MASK = b"\x01\x02\x03\x04"


class Pair:
    """A WebSocket, and its client's side; a context manager."""

    def __init__(
        self, *, timeout: float = 20.0, ping_interval: float = 0.0, max_message: int = 0
    ) -> None:
        ours, theirs = socket.socketpair()
        theirs.settimeout(10)
        self.stream = Stream(theirs)
        self.line = Line(timeout)
        environ = {
            "HTTP_CONNECTION": "Upgrade",
            "HTTP_UPGRADE": "websocket",
            "HTTP_SEC_WEBSOCKET_VERSION": "13",
            "HTTP_SEC_WEBSOCKET_KEY": frames.new_key(),
            "HTTP_X_FOREIGN": "é\x7f",
        }
        self.ws = WebSocket(
            environ,
            self.line,
            lambda: self.line.attach(ours, b"", b"X-Request-Id: 7\r\n"),
            (),
            ping_interval,
            max_message,
        )
        self.head = self.stream.read_until(b"\r\n\r\n")

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.ws.leave(1000)
        self.stream.sock.close()
        self.ws.finish(20.0)

    def put(self, *sent: Frame) -> None:
        self.stream.sock.sendall(b"".join(frame.encode(MASK) for frame in sent))

    def next(self) -> Frame | None:
        return read_frame(self.stream)


def test_handshake() -> None:
    with Pair() as pair:
        assert pair.head is not None
        status, first, *_ = pair.head.split(b"\r\n")
        assert status.startswith(b"HTTP/1.1 101")
        assert first == b"X-Request-Id: 7"
        assert pair.ws.environ["HTTP_X_FOREIGN"] == "é\x7f"


def test_large_message_to_a_slow_reader() -> None:
    data = bytes(range(256)) * 20_000
    with Pair() as pair:
        sender = threading.Thread(target=pair.ws.send, args=(data,))
        sender.start()
        assert pair.next() == binary(data)
        sender.join(20)


def test_many_senders() -> None:
    """No frame begins within another, also with pings in between."""
    with Pair() as pair:

        def send_five(data: bytes) -> None:
            for _ in range(5):
                pair.ws.send(data)

        senders = [
            threading.Thread(target=lambda n=n: send_five(bytes([n]) * 100_000)) for n in range(4)
        ]
        for sender in senders:
            sender.start()
        pair.put(*[Frame(0x89, b"%d" % n) for n in range(5)])
        found = [pair.next() for _ in range(25)]
        for sender in senders:
            sender.join(20)

    pongs = [frame for frame in found if frame is not None and frame.first == 0x8A]
    assert [frame.payload for frame in pongs] == [b"%d" % n for n in range(5)]
    messages = [frame for frame in found if frame is not None and frame.first == 0x82]
    assert len(messages) == 20
    assert all(len(set(m.payload)) == 1 and len(m.payload) == 100_000 for m in messages)


def test_client_that_takes_nothing() -> None:
    with Pair(timeout=0.05) as pair, pytest.raises(ConnectionClosed):
        pair.ws.send(b"x" * 50_000_000)


def test_client_that_has_gone() -> None:
    with Pair() as pair:
        pair.stream.sock.close()
        with pytest.raises(ConnectionClosed):
            pair.ws.receive()
        with pytest.raises(ConnectionClosed):
            pair.ws.send("x")


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc"), b"abc"])
def test_kinds_of_bytes(data: t.Any) -> None:
    with Pair() as pair:
        pair.ws.send(data)
        assert pair.next() == binary(b"abc")


def test_closing_wakes_who_waits() -> None:
    """And the end of another thread's reading doesn't open it again."""
    with Pair() as pair:
        caught: list[ConnectionClosed] = []

        def receive() -> None:
            try:
                pair.ws.receive()
            except ConnectionClosed as e:
                caught.append(e)

        thread = threading.Thread(target=receive)
        thread.start()
        pair.ws.leave(1001, "going")
        thread.join(20)
        assert [e.reason for e in caught] == [1001]
        assert pair.next() == close(1001, "going")
        pair.put(text("late"))
        pair.ws.thread.join(20)
        assert not pair.ws.connected


def test_messages_before_the_close_are_read() -> None:
    with Pair() as pair:
        pair.put(text("a"), text("b"), close(4000, "done"))
        pair.ws.thread.join(20)
        assert [pair.ws.receive(), pair.ws.receive()] == ["a", "b"]
        with pytest.raises(ConnectionClosed) as closed:
            pair.ws.receive()
        assert (closed.value.reason, closed.value.message) == (4000, "done")


def test_nothing_comes_in_time() -> None:
    with Pair() as pair:
        assert pair.ws.receive(timeout=0) is None


def test_message_in_parts() -> None:
    with Pair() as pair:
        pair.put(Frame(0x01, "日".encode()[:2]), Frame(0x00, "日".encode()[2:]), Frame(0x80, b"!"))
        assert pair.ws.receive() == "日!"


def test_too_large() -> None:
    with Pair(max_message=1000) as pair:
        pair.put(binary(b"x" * 1000), binary(b"x" * 1001))
        assert pair.ws.receive() == b"x" * 1000
        with pytest.raises(ConnectionClosed) as closed:
            pair.ws.receive()
        assert closed.value.reason == 1009
        answer = pair.next()
        assert answer is not None
        assert answer.close_code == 1009


def test_broken_frames() -> None:
    with Pair() as pair:
        pair.stream.sock.sendall(b"\xf7\x80\x01\x02\x03\x04")
        with pytest.raises(ConnectionClosed):
            pair.ws.receive()
        answer = pair.next()
        assert answer is not None
        assert answer.close_code == 1002


def test_what_nobody_receives_is_not_read() -> None:
    with Pair() as pair:
        frame = binary(b"x" * 100_000).encode(MASK)
        for _ in range(11):  # 1 MiB is read, however long that takes
            pair.stream.sock.sendall(frame)
        pair.stream.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            pair.stream.sock.sendall(frame * 89)
        # It reads on when some of it was taken.
        for _ in range(10):
            assert pair.ws.receive()
        eventually(lambda: len(pair.ws.input_buffer) >= 1, 20)
        assert sum(map(len, pair.ws.input_buffer)) < 2_000_000


def test_client_that_goes_while_nothing_is_received() -> None:
    """A handler that only sends finds out by ``connected``, and what has come isn't lost."""
    with Pair(ping_interval=60) as pair:
        pair.put(*[text(str(n)) for n in range(1000)])
        eventually(pair.ws._is_full)
        pair.ws.ping_interval = 0.05
        pair.ws._room.set()  # the wait begins anew
        ping = pair.next()
        assert ping is not None
        assert ping.first == 0x89
        pair.stream.sock.close()
        eventually(lambda: not pair.ws.connected, 20)
        assert pair.ws.receive() == "0"


@pytest.mark.parametrize("code", [0, 999, 5000, 70_000])
def test_wrong_close_code(code: int) -> None:
    with Pair() as pair:
        with pytest.raises(ValueError, match=f"close reason={code}: expected"):
            pair.ws.close(code)
        assert pair.ws.connected


def test_pings() -> None:
    """Silence is met with pings, and two without an answer end it."""
    for interval in (0.05, 1.0, 10.0):
        with Pair(ping_interval=interval) as pair:
            found = [pair.next()]
            with contextlib.suppress(BrokenPipeError):
                pair.put(Frame(0x8A))
            while found[-1] is not None and found[-1].opcode != frames.CLOSE:
                found.append(pair.next())
            with pytest.raises(ConnectionClosed):
                pair.ws.receive()
        if len(found) > 2:
            break  # else the machine was too busy for the answer

    ping = Frame(0x89)
    assert found == [ping, ping, close(1008, "Ping/Pong timeout")]


def test_traffic() -> None:
    """Frames count in both directions, and the handshake doesn't."""
    with Pair() as pair:
        sent = text("hello")
        pair.put(sent)
        assert pair.ws.receive() == "hello"
        pair.ws.send("good bye")
        assert pair.next() == text("good bye")

        assert pair.ws.traffic == (len(sent.encode(MASK)), len(text("good bye").encode()))
