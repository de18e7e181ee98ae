"""Requests of one connection in one thread; the live tests have gthread itself around it."""

from __future__ import annotations

import io
import queue
import socket
import typing as t

import pytest

from fluxsync.bridges import successive
from fluxsync.bridges.successive import Successive

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Worker:
    """What is needed of gthread's worker. It reads a request and says what it's told to."""

    def __init__(self) -> None:
        self.alive = True
        self.tpool = type("Pool", (), {"_work_queue": queue.SimpleQueue()})
        self.served = 0
        self.outcome: object = True
        self.after: Callable[[int], None] = lambda served: None

    def stop(self) -> bool:
        self.alive = False
        return True

    def handle(self, conn: Connection) -> object:
        conn.sock.recv(len(HEAD))
        self.served += 1
        self.after(self.served)
        return self.outcome


class Connection:
    """What gthread knows of a connection."""

    def __init__(self) -> None:
        self.sock, self.client = socket.socketpair()
        self.sock.settimeout(10)
        self.buffer = io.BytesIO()
        unreader = type("Unreader", (), {"buf": self.buffer})
        self.parser = type("Parser", (), {"unreader": unreader})


@pytest.fixture
def conn() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.sock.close()
    made.client.close()


def test_next_request_follows(conn: Connection) -> None:
    worker = Worker()
    conn.client.sendall(HEAD * 3)

    assert Successive(worker).handle(conn) is True
    assert worker.served == 3


def test_next_request_comes_a_moment_later(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successive, "_WAIT_MS", 10_000)
    worker = Worker()

    def answer(served: int) -> None:
        if served == 3:
            worker.outcome = False
        else:
            conn.client.sendall(HEAD)

    worker.after = answer
    conn.client.sendall(HEAD)

    assert Successive(worker).handle(conn) is False
    assert worker.served == 3


@pytest.mark.parametrize(
    "then",
    [
        pytest.param(lambda worker, conn: None, id="nothing"),
        pytest.param(lambda worker, conn: conn.client.sendall(HEAD[:-1]), id="half a head"),
        pytest.param(lambda worker, conn: conn.client.close(), id="the end"),
        pytest.param(
            lambda worker, conn: (conn.client.sendall(HEAD), conn.buffer.write(b"GET")),
            id="pipelined",
        ),
        pytest.param(
            lambda worker, conn: (conn.client.sendall(HEAD), worker.stop()), id="worker stops"
        ),
        pytest.param(
            lambda worker, conn: (
                conn.client.sendall(HEAD),
                worker.tpool._work_queue.put("somebody else"),
            ),
            id="somebody waits",
        ),
    ],
)
def test_goes_back_to_the_main_loop(
    conn: Connection, then: Callable[[Worker, Connection], object]
) -> None:
    worker = Worker()
    worker.after = lambda served: t.cast(None, then(worker, conn))
    conn.client.sendall(HEAD)

    assert Successive(worker).handle(conn) is True
    assert worker.served == 1


@pytest.mark.parametrize("outcome", [False, object()])
def test_connection_that_ends(conn: Connection, outcome: object) -> None:
    """Or one that waits in gunicorn's own way."""
    worker = Worker()
    worker.outcome = outcome
    conn.client.sendall(HEAD * 2)

    assert Successive(worker).handle(conn) is outcome
    assert worker.served == 1


def test_others_take_turns(conn: Connection) -> None:
    worker = Worker()
    worker.after = lambda served: conn.client.sendall(HEAD)
    conn.client.sendall(HEAD)

    assert Successive(worker).handle(conn) is True
    assert worker.served == 101
