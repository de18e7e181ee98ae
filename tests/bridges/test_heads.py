"""Waiting for heads, over real sockets."""

from __future__ import annotations

import queue
import socket
import time
import typing as t

import pytest

from fluxsync.bridges.heads import MAX_HEAD, Verdict, Wait, is_complete
from fluxsync.bridges.loop import Loop

if t.TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    loop.stop(10)


class Watched:
    """A connection that is waited for, and how that has ended."""

    def __init__(self, loop: Loop, timeout: float = 60.0, before: bytes = b"") -> None:
        self.ours, self.client = socket.socketpair()
        self.verdicts: queue.Queue[Verdict] = queue.Queue()
        self._loop = loop
        self.wait: Wait
        self.call(lambda: self._start(timeout, before))

    def _start(self, timeout: float, before: bytes) -> None:
        self.wait = Wait(self._loop, self.ours, timeout, self.verdicts.put, before)
        self.wait.start()

    def call(self, call: t.Callable[[], None]) -> None:
        """Have something done, and wait until the loop has."""
        done: queue.Queue[None] = queue.Queue()

        def call_and_tell() -> None:
            call()
            done.put(None)

        self._loop.call(call_and_tell)
        done.get(timeout=10)

    @property
    def verdict(self) -> Verdict:
        return self.verdicts.get(timeout=10)

    def close(self) -> None:
        self.ours.close()
        self.client.close()


@pytest.fixture
def watch(loop: Loop) -> Iterator[t.Callable[..., Watched]]:
    made: list[Watched] = []

    def start(**options: t.Any) -> Watched:
        made.append(Watched(loop, **options))
        return made[-1]

    yield start
    loop.stop(10)
    for watched in made:
        watched.close()


@pytest.mark.parametrize(
    ("head", "complete"),
    [
        (HEAD, True),
        (HEAD + b"body", True),
        (b"GET / HTTP/1.1\n\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\n\r\n", True),
        (HEAD[:-1], False),
        (HEAD[:-2], False),
        (b"", False),
        (POST % 4 + b"body", True),
        (POST % 4 + b"bod", False),
        (POST % 4 + b"body and more", True),
        (POST.replace(b"\r", b"") % 4 + b"bod", False),
        (POST.lower().replace(b"post", b"POST") % 4, False),
        pytest.param(POST % (1 << 20) + b"body", True, id="too large to wait for"),
        pytest.param(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n" + POST[17:] % 4, True),
        pytest.param(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n", True),
        pytest.param(HEAD[:-2] + b"X-Content-Length: 4\r\n\r\n", True, id="another field"),
    ],
)
def test_is_complete(head: bytes, complete: bool) -> None:
    assert is_complete(head, len(head)) is complete
    # What an earlier connection has left in the buffer doesn't count.
    assert is_complete(head + b"\r\n\r\n" + HEAD, len(head)) is complete


def test_head_byte_by_byte(watch: t.Callable[..., Watched]) -> None:
    """It's complete with the last byte, and all of it is still there to be read."""
    watched = watch()
    for number in range(len(HEAD)):
        assert watched.verdicts.empty()
        watched.client.send(HEAD[number : number + 1])
    assert watched.verdict is Verdict.COMPLETE
    assert watched.ours.recv(1000) == HEAD
    assert not watched._loop.tasks


def test_head_that_is_there_already(watch: t.Callable[..., Watched]) -> None:
    assert watch(before=HEAD[:10]).verdicts.empty()
    watched = watch(before=HEAD[:-2])
    watched.client.send(HEAD[-2:])

    assert watched.verdict is Verdict.COMPLETE


def test_nobody_turns_around_in_circles(watch: t.Callable[..., Watched]) -> None:
    """Half a head that stays where it is makes no work."""
    watched = watch()
    watched.client.send(HEAD[:10])
    eventful: list[int] = []
    watched.call(lambda: setattr(watched.wait, "on_events", eventful.append))
    watched.call(lambda: None)
    watched.call(lambda: None)

    assert len(eventful) <= 1


@pytest.mark.parametrize(("sent", "verdict"), [(b"GET", Verdict.LATE), (b"", Verdict.SILENT)])
def test_out_of_time(watch: t.Callable[..., Watched], sent: bytes, verdict: Verdict) -> None:
    watched = watch()
    watched.client.send(sent)
    watched.call(lambda: watched.wait.hurry(time.monotonic() + 0.2))
    watched.call(lambda: watched._loop.look(watched.wait))

    assert watched.verdict is verdict


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
def test_client_that_goes(watch: t.Callable[..., Watched], sent: bytes) -> None:
    watched = watch()
    watched.client.send(sent)
    watched.client.shutdown(socket.SHUT_WR)

    assert watched.verdict is Verdict.GONE


def test_request_of_a_client_that_says_no_more(watch: t.Callable[..., Watched]) -> None:
    """It's a request all the same."""
    watched = watch()
    watched.client.send(HEAD)
    watched.client.shutdown(socket.SHUT_WR)

    assert watched.verdict is Verdict.COMPLETE


def test_head_without_end(watch: t.Callable[..., Watched]) -> None:
    watched = watch()
    watched.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MAX_HEAD)
    watched.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_HEAD)
    watched.client.sendall(b"x" * MAX_HEAD)

    assert watched.verdict is Verdict.TOO_LONG


def test_ends_once(watch: t.Callable[..., Watched]) -> None:
    watched = watch()
    watched.call(lambda: watched.wait.end(Verdict.SILENT))
    watched.call(lambda: watched.wait.end(Verdict.GONE))

    assert watched.verdict is Verdict.SILENT
    assert watched.verdicts.empty()
