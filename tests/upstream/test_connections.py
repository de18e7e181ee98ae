from __future__ import annotations

import socket

import pytest

from fluxsync.exceptions import UpstreamTimeout, UpstreamUnavailable
from fluxsync.upstream import connections
from fluxsync.upstream.connections import Connection, Pool, limit_silence
from tests.support.http import Stream
from tests.support.upstream import FakeStreamlit
from tests.upstream.conftest import Serve, answering


def is_closed(connection: Connection) -> bool:
    return connection.sock.fileno() == -1


def pool(address: tuple[str, int], maxsize: int = 2, timeout: float | None = 5.0) -> Pool:
    return Pool(*address, connect_timeout=timeout, read_timeout=7.0, maxsize=maxsize)


@pytest.fixture
def address(upstream: FakeStreamlit) -> tuple[str, int]:
    return ("127.0.0.1", upstream.port)


def get(connection: Connection, path: str = "/status/200") -> bytes:
    """Send a request, and return the whole answer."""
    connection.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    stream = Stream(connection.sock)
    head = stream.read_until(b"\r\n\r\n")
    assert head is not None
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + b"".join(stream.pieces(length))


def test_connection_is_used_again(address: tuple[str, int], upstream: FakeStreamlit) -> None:
    idle = pool(address)

    for _ in range(3):
        connection = idle.take()
        get(connection)
        idle.give_back(connection)
    idle.close()

    assert {request.connection for request in upstream.requests} == {1}
    assert connection.reused


def test_new_connection(address: tuple[str, int]) -> None:
    connection = pool(address).take()

    assert not connection.reused
    assert connection.timeout == 7.0
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


@pytest.mark.parametrize("patched", [False, True], ids=["kernel's", "Python's"])
@pytest.mark.parametrize("timeout", [0.05, 0.0000001])
def test_silence(timeout: float, patched: bool) -> None:
    """gevent's sockets have another class, and a time-out of their own."""
    ours, theirs = socket.socketpair()
    sock = Patched(fileno=ours.detach()) if patched else ours
    with sock, theirs:
        limit_silence(sock, timeout)

        assert (sock.gettimeout() is None) is not patched
        with pytest.raises((BlockingIOError, TimeoutError)):
            sock.recv(1)
        with pytest.raises((BlockingIOError, TimeoutError)):
            sock.sendall(b"x" * 10_000_000)


class Patched(socket.socket):
    pass


def test_no_limit() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limit_silence(ours, None)

        assert ours.gettimeout() is None
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16) == bytes(16)


def test_last_one_used_is_the_first_to_be_taken(address: tuple[str, int]) -> None:
    idle = pool(address)
    first, second = idle.take(), idle.take()

    idle.give_back(first)
    idle.give_back(second)

    assert (idle.take(), idle.take()) == (second, first)
    first.close()
    second.close()


def test_oldest_makes_room(address: tuple[str, int]) -> None:
    idle = pool(address, maxsize=1)
    first, second = idle.take(), idle.take()

    idle.give_back(first)
    idle.give_back(second)

    assert is_closed(first)
    assert idle.take() is second
    second.close()


def test_pool_of_none(address: tuple[str, int]) -> None:
    idle = pool(address, maxsize=0)
    connection = idle.take()

    idle.give_back(connection)

    assert is_closed(connection)


def test_one_that_the_server_has_closed_is_not_taken(
    address: tuple[str, int], upstream: FakeStreamlit
) -> None:
    idle = pool(address)
    connection = idle.take()
    get(connection, "/stale")
    assert connection.sock.recv(1, socket.MSG_PEEK) == b""  # waits for the end

    idle.give_back(connection)

    other = idle.take()
    assert other is not connection
    assert is_closed(connection)
    other.close()


def test_one_with_an_answer_that_nobody_asked_for_is_not_taken(serve: Serve) -> None:
    idle = pool(serve(answering(b"HTTP/1.1 200 OK\r\n\r\n")))
    connection = idle.take()
    connection.sock.sendall(b"\r\n\r\n")
    assert connection.sock.recv(1, socket.MSG_PEEK)

    assert connection.is_stale()
    connection.close()


def test_one_that_was_idle_for_long_is_not_taken(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = pool(address)
    connection = idle.take()
    idle.give_back(connection)
    assert not connection.is_stale()

    monkeypatch.setattr(connections, "MAX_IDLE", -1.0)

    assert connection.is_stale()
    idle.close()


def test_close(address: tuple[str, int]) -> None:
    idle = pool(address)
    connection = idle.take()
    idle.give_back(connection)

    idle.close()

    assert is_closed(connection)


def test_refused(refused: tuple[str, int]) -> None:
    with pytest.raises(UpstreamUnavailable, match=f"no connection to 127.0.0.1:{refused[1]}: "):
        pool(refused).take()


def test_too_slow(full: tuple[str, int]) -> None:
    with pytest.raises(UpstreamTimeout, match="gateway_upstream_connect_timeout_s"):
        pool(full, timeout=0.05).take()
