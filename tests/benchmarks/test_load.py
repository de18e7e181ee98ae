"""The load counts answers and messages right, however they are cut into pieces."""

from __future__ import annotations

import contextlib
import select
import socket
import typing as t

import pytest

from tests.benchmarks.load import HttpClient, LoadError
from tests.benchmarks.tunnel import Connection
from tests.benchmarks.websocket import Frames
from tests.support.frames import BINARY, PING, PONG, Frame, close

ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n",
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@contextlib.contextmanager
def http_client() -> t.Iterator[tuple[HttpClient, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = HttpClient(listener.getsockname()[1], b"")
        sock, _ = listener.accept()
        with client.sock, sock:
            yield client, sock


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answers(answer: bytes) -> None:
    """An answer is complete with its last byte, and the next one is counted anew."""
    with http_client() as (client, server):
        for cut in range(1, len(answer)):
            server.sendall(answer[:cut])
            assert not client.readable(), cut
            server.sendall(answer[cut:])
            assert client.readable(), cut
        assert client.received == len(answer) * (len(answer) - 1)


def test_bytes_one_by_one() -> None:
    answer = ANSWERS["chunked"]
    with http_client() as (client, server):
        seen = []
        for number in range(len(answer)):
            server.sendall(answer[number : number + 1])
            seen.append(client.readable())
        assert seen == [False] * (len(answer) - 1) + [True]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", id="status"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no length"),
        pytest.param(b"", id="end"),
    ],
)
def test_unexpected_answers(answer: bytes) -> None:
    with http_client() as (client, server):
        server.sendall(answer)
        server.shutdown(socket.SHUT_WR)
        with pytest.raises(LoadError):
            client.readable()


@pytest.mark.parametrize("size", [0, 5, 200, 70_000])
def test_messages(size: int) -> None:
    """Messages are counted with their last byte; a ping between them is answered."""
    message = Frame(0x80 | BINARY, bytes(size)).encode()
    data = message + Frame(0x80 | PING, b"still there?").encode() + message
    near = range(len(message) - 5, len(message) + 20)
    for cut in sorted({*range(1, 30), *near} & {*range(1, len(data))}):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            frames = Frames(ours)
            theirs.sendall(data[:cut])
            assert read(frames) == (cut >= len(message)), cut
            theirs.sendall(data[cut:])
            assert read(frames) == 2 - (cut >= len(message)), cut
            assert theirs.recv(100) == Frame(0x80 | PONG, b"still there?").encode(bytes(4))


def read(frames: Frames) -> int:
    """Let it read what there is, and return how many messages it has counted."""
    found = 0
    frames.sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            found += frames.read()
    return found


def test_closed_websocket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(close(1001).encode())
        with pytest.raises(LoadError):
            Frames(ours).read()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the load of tunnels needs epoll")
def test_connection_made_again() -> None:
    """A request that meets the end of a kept connection is sent on another one."""
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as epoll:
        listener.settimeout(10)
        connection = Connection(listener.getsockname()[1], epoll)
        connection.send(b"first")
        server, _ = listener.accept()
        with server:
            assert server.recv(100) == b"first"
            for piece in (ANSWERS["length"][:-1], ANSWERS["length"][-1:]):
                server.sendall(piece)
                assert epoll.poll(10)
                body = connection.receive()
            assert body == b"hello"
        connection.send(b"second")
        assert epoll.poll(10)
        assert connection.receive() is None
        server, _ = listener.accept()
        with server:
            assert server.recv(100) == b"second"
            server.sendall(ANSWERS["length"].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert epoll.poll(10)
            assert connection.receive() == b"hello"
            assert server.recv(100) == b""


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="the load of tunnels needs epoll")
def test_connection_cut() -> None:
    """Half an answer is none."""
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as epoll:
        connection = Connection(listener.getsockname()[1], epoll)
        connection.send(b"")
        server, _ = listener.accept()
        with server:
            server.sendall(ANSWERS["length"][:-1])
            assert epoll.poll(10)
            assert connection.receive() is None
        assert epoll.poll(10)
        with pytest.raises(LoadError, match="closed within"):
            connection.receive()
