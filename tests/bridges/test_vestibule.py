"""A listener whose connections come with a head."""

from __future__ import annotations

import contextlib
import select
import socket
import typing as t

import pytest

from fluxsync.bridges.loop import Loop
from fluxsync.bridges.vestibule import Vestibule
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class House:
    """A vestibule, and clients who come to it."""

    def __init__(self, timeout: float = 60.0, most: int = 100) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.loop = Loop("test")
        self.vestibule = Vestibule(self.listener, self.loop, timeout, most)
        self._open = contextlib.ExitStack()

    def client(self, data: bytes = b"") -> socket.socket:
        """Connect, and say something."""
        sock = socket.create_connection(self.listener.getsockname(), timeout=10)
        self._open.enter_context(sock)
        sock.sendall(data)
        return sock

    def accept(self) -> socket.socket:
        """Accept as gunicorn does: when there's something, until there is a connection."""
        while True:
            assert select.select([self.vestibule], [], [], 10)[0], "nobody comes in"
            with contextlib.suppress(BlockingIOError):
                sock, address = self.vestibule.accept()
                assert address == sock.getpeername()
                self._open.enter_context(sock)
                return sock

    def turn_away(self) -> None:
        """Accept nothing, though there's a connection."""
        assert select.select([self.vestibule], [], [], 10)[0], "nobody is there"
        with pytest.raises(BlockingIOError):
            self.vestibule.accept()

    @property
    def inside(self) -> int:
        """How many are inside."""
        assert self.vestibule.is_empty == (self.vestibule._inside == 0)
        return self.vestibule._inside

    @property
    def is_quiet(self) -> bool:
        """Whether there's nothing to accept."""
        return not select.select([self.vestibule], [], [], 0)[0]

    def close(self) -> None:
        self.vestibule.close()
        self.loop.stop(10)
        self._open.close()


@pytest.fixture
def make() -> Iterator[t.Callable[..., House]]:
    houses: list[House] = []

    def build(**options: t.Any) -> House:
        houses.append(House(**options))
        return houses[-1]

    yield build
    for house in houses:
        house.close()


def test_head_in_one_piece(make: t.Callable[..., House]) -> None:
    """It's accepted at once, without a thread."""
    house = make()
    client = house.client(HEAD)
    with house.accept() as sock:
        assert sock.recv(100) == HEAD
        assert sock.gettimeout() is None
        sock.sendall(b"answer")
        assert client.recv(100) == b"answer"
    assert house.is_quiet
    with pytest.raises(BlockingIOError):
        house.vestibule.accept()
    assert house.loop._thread is None


def test_head_in_pieces(make: t.Callable[..., House]) -> None:
    """Others are accepted meanwhile."""
    house = make()
    slow = house.client(HEAD[:5])
    house.turn_away()
    assert house.inside == 1
    quick = house.client(HEAD)
    assert house.accept().getpeername() == quick.getsockname()
    assert house.is_quiet
    slow.sendall(HEAD[5:])
    sock = house.accept()
    assert sock.getpeername() == slow.getsockname()
    assert sock.recv(100) == HEAD
    assert house.inside == 0
    assert house.is_quiet


def test_many_at_once(make: t.Callable[..., House]) -> None:
    house = make()
    clients = [house.client(HEAD[:5]) for _ in range(50)]
    for _ in clients:
        house.turn_away()
    for client in clients:
        client.sendall(HEAD[5:])
    accepted = {house.accept().getpeername() for _ in clients}

    assert accepted == {client.getsockname() for client in clients}
    assert house.is_quiet
    assert house.inside == 0


def test_client_that_has_gone(make: t.Callable[..., House]) -> None:
    house = make()
    house.client().close()
    house.turn_away()

    eventually(lambda: house.inside == 0)


@pytest.mark.parametrize(("said", "answer"), [(b"GET", b"HTTP/1.1 408 "), (b"", b"")])
def test_late(make: t.Callable[..., House], said: bytes, answer: bytes) -> None:
    """Who has begun is told so; who hasn't, isn't."""
    house = make(timeout=0.1)
    client = house.client(said)
    house.turn_away()
    with client.makefile("rb") as file:
        assert file.read()[:13] == answer
    assert house.inside == 0


def test_too_long(make: t.Callable[..., House]) -> None:
    house = make()
    client = house.client(b"GET / HTTP/1.1\r\n")
    house.turn_away()
    client.sendall(b"x" * 100_000)
    with client.makefile("rb") as file:
        assert file.readline() == b"HTTP/1.1 431 Request Header Fields Too Large\r\n"


def test_full(make: t.Callable[..., House]) -> None:
    """Whoever has waited longest must go."""
    house = make(most=2)
    first, second, third = (house.client(HEAD[:5]) for _ in range(3))
    for _ in range(3):
        house.turn_away()
    with pytest.raises(ConnectionResetError):
        first.recv(100)
    for client in (second, third):
        client.sendall(HEAD[5:])
        assert house.accept().getpeername() == client.getsockname()


def test_lock_up(make: t.Callable[..., House]) -> None:
    """Who is inside is served; who comes then isn't let in."""
    house = make()
    inside = house.client(HEAD[:5])
    house.turn_away()
    house.vestibule.lock_up()
    house.client(HEAD)
    assert house.is_quiet
    inside.sendall(HEAD[5:])
    assert house.accept().getpeername() == inside.getsockname()
    with pytest.raises(BlockingIOError):
        house.vestibule.accept()
    assert house.inside == 0


def test_close(make: t.Callable[..., House]) -> None:
    """What was ready, or gets so, is closed."""
    house = make()
    ready, waiting = house.client(HEAD[:5]), house.client(HEAD[:5])
    for _ in range(2):
        house.turn_away()
    ready.sendall(HEAD[5:])
    assert select.select([house.vestibule], [], [], 10)[0]
    house.vestibule.close()
    waiting.sendall(HEAD[5:])
    for client in (ready, waiting):
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
    house.vestibule = Vestibule(socket.create_server(("127.0.0.1", 0)), house.loop, 1.0, 1)


def test_it_is_a_listener(make: t.Callable[..., House]) -> None:
    house = make()

    assert house.vestibule.getsockname() == house.listener.getsockname()
    assert house.vestibule.family == socket.AF_INET
