"""What the relay's tests hold: the far ends of what it relays, and its loop's rounds."""

from __future__ import annotations

import dataclasses
import select
import socket
import threading
import typing as t

from tests.support import frames
from tests.support.http import Stream
from tests.support.waiting import FACTOR, eventually

if t.TYPE_CHECKING:
    from fluxsync.bridges.loop import Loop
    from fluxsync.bridges.polling import Poller, Watched

MASK = b"\1\2\3\4"
HEAD = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
#: A time that never comes within a test.
LONG = 3600.0
#: One that has nearly come.
SOON = 0.01

Pair = tuple[socket.socket, socket.socket]


def unix_pair() -> Pair:
    """Return both ends of a connection without a network."""
    return _patient(socket.socketpair())


def tcp_pair() -> Pair:
    """Return both ends of a TCP connection: the client's and the server's.

    The kernel's buffers are small, and so is what it takes to fill them.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        for sock in (listener, client):
            # Before the handshake, which says how much may come.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    return _patient((client, server))


def _patient(pair: Pair) -> Pair:
    for end in pair:
        end.settimeout(10 * FACTOR)
    return pair


@dataclasses.dataclass
class Ends:
    """What the two peers of a WebSocket hold."""

    browser: Stream
    streamlit: Stream

    def close(self) -> None:
        for end in (self.browser, self.streamlit):
            end.sock.close()


#: What the fixture of this name is.
Connect = t.Callable[..., Ends]


def close_of(stream: Stream) -> tuple[int, str] | None:
    """Return what the next frame, a close frame, says; ``None`` at the end."""
    frame = frames.read_frame(stream)
    if frame is None:
        return None
    assert frame.opcode == frames.CLOSE
    return frame.close_code, frame.close_reason


def send_until_it_blocks(
    sock: socket.socket, limit: int = 1 << 30, loop: Loop | None = None
) -> int:
    """Send zeros until nobody takes more, and return how many were taken.

    :param loop: What may take them, sooner or later; ``None`` is nobody.
    """
    timeout = sock.gettimeout()
    sock.setblocking(False)
    sent = failures = 0
    while sent < limit and failures < 5:
        try:
            sent += sock.send(bytes(1 << 16))
            failures = 0
        except BlockingIOError:
            failures += 1
            if loop is not None:
                catch_up(loop)
    sock.settimeout(timeout)
    return sent


class Rounds:
    """A poller's rounds, to see that none happens for nothing."""

    def __init__(self, make: t.Callable[[], Poller]) -> None:
        self._make = make
        self._pollers: list[Poller] = []
        #: The time-outs, and what happened by then.
        self.all: list[tuple[float | None, list[tuple[int, int]]]] = []

    def make(self) -> Poller:
        """Return a poller, or rather this object in its place."""
        self._pollers.append(self._make())
        self.watched: dict[int, Watched] = self._pollers[-1].watched
        self.watch = self._pollers[-1].watch
        self.close = self._pollers[-1].close
        return self

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        events = self._pollers[-1].poll(timeout)
        self.all.append((timeout, events))
        return events

    def strays(self, loop: Loop) -> list[object]:
        """Return the rounds during one call that this call didn't cause."""
        start = len(self.all)
        wait_for(loop)
        return [
            (timeout, events)
            for timeout, events in self.all[start:]
            if timeout == 0 or [self.watched.get(number) for number, _ in events] != [loop]
        ]

    def check_idle(self, loop: Loop) -> None:
        """Fail if the loop has anything to do.

        What is ready and not taken shows in each round, as does what is due and not done.
        """
        eventually(
            lambda: not any(self.strays(loop) for _ in range(20)), what="rounds without events"
        )


def wait_for(loop: Loop) -> None:
    """Wait until the loop has run what it was called for."""
    done = threading.Event()
    loop.call(done.set)
    assert done.wait(10 * FACTOR)


def catch_up(loop: Loop) -> None:
    """Wait until the loop has taken what was sent to it."""
    for _ in range(2):  # the first may be run before the events of its round
        wait_for(loop)


def is_readable(sock: socket.socket) -> bool:
    """Whether something has come, be it the end."""
    return bool(select.select([sock], [], [], 0)[0])
