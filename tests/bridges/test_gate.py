"""The gate before gthread's queue; the live tests have the real one behind it."""

from __future__ import annotations

import io
import queue
import socket
import typing as t

import pytest

from fluxsync.bridges.gate import Gate
from fluxsync.bridges.loop import Loop
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Connection:
    """What gthread knows of a connection.

    :param read: What gunicorn has read beyond the last request, if there was one.
    """

    def __init__(self, read: bytes | None = None) -> None:
        self.sock, self.client = socket.socketpair()
        self.client.settimeout(10)
        self.parser = None
        if read is not None:
            unreader = type("Unreader", (), {"buf": io.BytesIO(read)})
            self.parser = type("Parser", (), {"unreader": unreader})


class Worker:
    """What the gate needs of gthread's worker."""

    def __init__(self) -> None:
        self.alive = True
        self.queue: queue.Queue[Connection] = queue.Queue()

    def enqueue_req(self, conn: Connection) -> None:
        self.queue.put(conn)


class Gated:
    def __init__(self, timeout: float = 60.0, most: int = 100) -> None:
        self.loop = Loop("test")
        self.worker = Worker()
        self.gate = Gate(self.worker, self.loop, timeout, most)
        self._made: list[Connection] = []

    def come(self, data: bytes = b"", read: bytes | None = None) -> Connection:
        """Have a connection come to the gate that says something."""
        conn = Connection(read)
        self._made.append(conn)
        conn.client.sendall(data)
        self.gate.enqueue(conn)
        return conn

    def wait_for(self, number: int) -> None:
        """Wait until so many wait."""
        eventually(lambda: len(self.loop.tasks) == number, 10, f"{number} that wait")

    def served(self) -> Connection:
        """Return the next that is served."""
        return self.worker.queue.get(timeout=10)

    def close(self) -> None:
        self.loop.stop(10)
        for conn in self._made:
            conn.sock.close()
            conn.client.close()


@pytest.fixture
def make() -> Iterator[t.Callable[..., Gated]]:
    made: list[Gated] = []

    def build(**options: t.Any) -> Gated:
        made.append(Gated(**options))
        return made[-1]

    yield build
    for gated in made:
        gated.close()


@pytest.mark.parametrize("read", [None, b""], ids=["new", "kept"])
def test_complete_head(make: t.Callable[..., Gated], read: bytes | None) -> None:
    """It goes on at once, without a thread."""
    gated = make()
    conn = gated.come(HEAD, read)

    assert gated.worker.queue.get_nowait() is conn
    assert gated.loop._thread is None


@pytest.mark.parametrize(
    ("read", "sent"),
    [(None, HEAD[:5]), (None, b""), (b"", HEAD[:5]), (HEAD[:5], b""), (HEAD[:3], HEAD[3:5])],
)
def test_head_in_pieces(make: t.Callable[..., Gated], read: bytes | None, sent: bytes) -> None:
    gated = make()
    conn = gated.come(sent, read)
    other = gated.come(HEAD)
    assert gated.served() is other
    gated.wait_for(1)
    assert gated.worker.queue.empty()
    conn.client.sendall(HEAD[len(read or b"") + len(sent) :])
    assert gated.served() is conn
    assert (read or b"") + conn.sock.recv(100) == HEAD


def test_next_request_was_read(make: t.Callable[..., Gated]) -> None:
    """A client that doesn't wait for answers need not send more."""
    gated = make()
    conn = gated.come(b"", HEAD)

    assert gated.worker.queue.get_nowait() is conn
    assert gated.loop._thread is None


@pytest.mark.parametrize(("said", "answer"), [(b"GET", b"HTTP/1.1 408 "), (b"", b"")])
def test_late(make: t.Callable[..., Gated], said: bytes, answer: bytes) -> None:
    """gunicorn gets it with its end, and so closes it."""
    gated = make(timeout=0.1)
    conn = gated.come(said)
    assert gated.served() is conn
    assert conn.sock.recv(100) == said
    assert conn.sock.recv(100) == b""
    assert conn.client.recv(13) == answer


def test_client_that_goes(make: t.Callable[..., Gated]) -> None:
    gated = make()
    conn = gated.come(HEAD[:5])
    gated.wait_for(1)
    conn.client.close()

    assert gated.served() is conn


def test_full(make: t.Callable[..., Gated]) -> None:
    """Whoever has waited longest must go."""
    gated = make(most=2)
    conns = [gated.come(HEAD[:5]) for _ in range(3)]
    assert gated.served() is conns[0]
    assert conns[0].client.recv(100) == b""
    gated.wait_for(2)


def test_worker_that_stops(make: t.Callable[..., Gated], monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not wait for long."""
    monkeypatch.setattr("fluxsync.bridges.gate._LAST_CALL", 0.0)
    gated = make()
    conn = gated.come(HEAD[:5])
    gated.wait_for(1)
    gated.worker.alive = False

    assert gated.served() is conn
    assert conn.client.recv(13) == b"HTTP/1.1 408 "


def test_worker_that_has_stopped(make: t.Callable[..., Gated]) -> None:
    """Its threads take nothing more."""
    gated = make()

    def refuse(conn: Connection) -> None:
        raise RuntimeError("cannot schedule new futures after shutdown")

    gated.gate = Gate(type("Worker", (), {"alive": True, "enqueue_req": refuse}), gated.loop, 60, 9)
    conn = gated.come(HEAD[:5])
    gated.wait_for(1)
    conn.client.sendall(HEAD[5:])
    gated.wait_for(0)
