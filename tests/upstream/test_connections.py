from __future__ import annotations

import socket

import pytest

from fluxsync.exceptions import UpstreamTimeout, UpstreamUnavailable
from fluxsync.upstream import connections
from fluxsync.upstream.connections import Connection, Pool
from tests.support.upstream import FakeStreamlit


def pool(address: tuple[str, int], maxsize: int = 2, timeout: float | None = 5.0) -> Pool:
    return Pool(*address, connect_timeout=timeout, read_timeout=7.0, maxsize=maxsize)


@pytest.fixture
def address(upstream: FakeStreamlit) -> tuple[str, int]:
    return ("127.0.0.1", upstream.port)


def get(connection: Connection, path: str = "/status/200") -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


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
    assert connection.sock.gettimeout() == 7.0
    assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


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

    assert first.sock is None
    assert idle.take() is second
    second.close()


def test_pool_of_none(address: tuple[str, int]) -> None:
    idle = pool(address, maxsize=0)
    connection = idle.take()

    idle.give_back(connection)

    assert connection.sock is None


def test_closed_one_is_not_kept(address: tuple[str, int]) -> None:
    idle = pool(address)
    connection = idle.take()
    connection.close()

    idle.give_back(connection)

    other = idle.take()
    assert other is not connection
    other.close()


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
    assert connection.sock is None
    other.close()


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

    assert connection.sock is None


def test_refused(refused: tuple[str, int]) -> None:
    with pytest.raises(UpstreamUnavailable, match=f"no connection to 127.0.0.1:{refused[1]}: "):
        pool(refused).take()


def test_too_slow(full: tuple[str, int]) -> None:
    with pytest.raises(UpstreamTimeout, match="gateway_upstream_connect_timeout_s"):
        pool(full, timeout=0.05).take()


def test_interim_responses_are_skipped(address: tuple[str, int]) -> None:
    connection = pool(address).take()

    assert get(connection, "/hints") == (200, b"hints")
    assert get(connection) == (200, b"status")
    connection.close()
