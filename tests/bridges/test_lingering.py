"""Closing connections without waiting for the client."""

from __future__ import annotations

import socket
import sys
import typing as t

import pytest
from gunicorn import util

from fluxsync.bridges import farewells, lingering
from fluxsync.bridges.lingering import Lingerer
from fluxsync.bridges.loop import Loop
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """One that ends no wait by itself within a test."""
    monkeypatch.setattr(farewells, "LINGER", 3600.0)
    loop = Loop("test")
    yield loop
    loop.stop(10)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's end, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=10)
        server, _ = listener.accept()
    with server, client:
        yield server, client


Pair = tuple[socket.socket, socket.socket]


def test_client_that_stays(loop: Loop, pair: Pair) -> None:
    """It has time to take what was sent, even if it says things that nobody reads."""
    server, client = pair
    server.sendall(b"answer")
    Lingerer(loop, 10).close(server)
    assert server.fileno() == -1
    client.sendall(b"more")
    assert client.recv(100) == b"answer"
    client.sendall(b"and more")
    assert client.recv(100) == b""
    eventually(lambda: len(loop.tasks) == 1, 10, "the wait")
    client.close()
    eventually(lambda: not loop.tasks, 10, "the end")


def test_client_that_has_closed(loop: Loop, pair: Pair) -> None:
    """No thread is needed."""
    server, client = pair
    client.shutdown(socket.SHUT_WR)
    Lingerer(loop, 10).close(server)
    assert server.fileno() == -1
    assert client.recv(1) == b""
    assert loop._thread is None


def test_client_that_has_gone(loop: Loop, pair: Pair) -> None:
    server, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    Lingerer(loop, 10).close(server)
    Lingerer(loop, 10).close(server)  # gunicorn does so after some errors

    assert server.fileno() == -1
    assert loop._thread is None


def test_limit(loop: Loop, pair: Pair) -> None:
    Lingerer(loop, 0).close(pair[0])

    assert pair[0].fileno() == -1
    assert pair[1].recv(1) == b""
    assert loop._thread is None


def test_gunicorn_calls_it(loop: Loop, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the arguments that its own function takes."""
    monkeypatch.setattr(util, "close_graceful", util.close_graceful)  # restores it
    assert lingering.install(loop, 10)
    util.close_graceful(pair[0], timeout=2.0, max_drain=65536)

    assert pair[0].fileno() == -1
    eventually(lambda: len(loop.tasks) == 1, 10, "the wait")


def test_older_gunicorn(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 26 it didn't wait."""
    monkeypatch.delattr(util, "close_graceful")
    assert not lingering.install(loop, 10)
    assert not hasattr(util, "close_graceful")
    monkeypatch.delitem(sys.modules, "gunicorn.util")
    assert not lingering.install(loop, 10)
