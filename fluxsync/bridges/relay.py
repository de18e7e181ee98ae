"""Relay open WebSockets: bytes from one socket to the other, all of them in one thread.

Frames pass unchanged: masks, fragments, compression, pings, close codes and reasons. So
the relay is exact, and as cheap as reading and writing. It follows the frames' boundaries
only, to be able to say goodbye between two of them.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import selectors
import socket
import threading
import time
import typing as t

from .links import Link, Session, Side

if t.TYPE_CHECKING:
    from ..sansio import closecodes

__all__ = ["Relay", "Session"]

logger = logging.getLogger("fluxsync.websocket")

_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE

#: What one read takes at most. Large frames pass in few system calls.
_READ_SIZE = 256 * 1024


class Relay:
    """Relays all WebSockets of a process.

    The public methods may be called from any thread. The relay's own thread starts with the
    first WebSocket, never before a fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: collections.deque[t.Callable[[], None]] = collections.deque()
        self._links: set[Link] = set()
        #: Those that have a deadline.
        self._ending: set[Link] = set()
        self._thread: threading.Thread | None = None
        self._selector: selectors.BaseSelector
        self._wake: tuple[socket.socket, socket.socket]
        self._stopped = False
        self._buffer = memoryview(bytearray(_READ_SIZE))

    def add(
        self,
        session: Session,
        client: socket.socket,
        upstream: socket.socket,
        to_client: bytes,
        to_upstream: bytes,
    ) -> None:
        """Take over a WebSocket whose handshake is done upstream.

        :param to_client: The 101, and what Streamlit sent right behind its own.
        :param to_upstream: What the client sent before it saw the 101.
        """
        self._call(lambda: self._adopt(Link(session, client, upstream), to_client, to_upstream))

    def close_all(self, close: closecodes.Close, grace: float, replica: str | None = None) -> None:
        """Say goodbye on all WebSockets, or on those of one replica.

        :param grace: Seconds after which what is still open is dropped.
        """
        self._call(lambda: self._close(close, grace, replica))

    def counts(self) -> dict[str, int]:
        """Return the number of open WebSockets of each replica."""
        counts: collections.Counter[str] = collections.Counter()
        for link in self._links.copy():
            counts[link.session.replica] += 1
        return dict(counts)

    def stop(self, timeout: float | None = None) -> None:
        """Drop what is left and end the thread.

        :param timeout: Seconds to wait for the thread; ``None`` is no limit.
        """
        thread = self._thread
        if thread is not None:
            self._call(self._stop)
            thread.join(timeout)

    def _call(self, call: t.Callable[[], None]) -> None:
        with self._lock:
            self._calls.append(call)
            if self._thread is None:
                self._start()
        with contextlib.suppress(OSError):  # full: it has enough reasons to wake up
            self._wake[1].send(b"x")

    def _start(self) -> None:
        assert self._lock.locked()
        self._selector = selectors.DefaultSelector()
        self._wake = socket.socketpair()
        for end in self._wake:
            end.setblocking(False)
        self._selector.register(self._wake[0], _READ, None)
        self._thread = threading.Thread(target=self._run, name="fluxsync-relay", daemon=True)
        self._thread.start()

    # From here on: the relay's thread.

    def _run(self) -> None:
        while not self._stopped:
            for key, events in self._selector.select(self._timeout()):
                if key.data is None:
                    self._take_calls()
                else:
                    self._handle(key.data, events)
            self._drop_overdue()
        for link in tuple(self._links):
            self._drop(link, "stopped")
        self._selector.close()
        for end in self._wake:
            end.close()

    def _take_calls(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake[0].recv(4096)
        while self._calls:
            try:
                self._calls.popleft()()
            except Exception:
                # One connection's trouble must not end all others.
                logger.exception("relay call failed")

    def _stop(self) -> None:
        self._stopped = True

    def _adopt(self, link: Link, to_client: bytes, to_upstream: bytes) -> None:
        self._links.add(link)
        for side in link.sides:
            # Only now, after the hand-over: O_NONBLOCK belongs to the open file, which the
            # WSGI server had until then.
            side.sock.setblocking(False)
        # The 101 isn't a frame; what comes behind it is.
        link.upstream.tracker.feed(to_client.partition(b"\r\n\r\n")[2])
        link.client.tracker.feed(to_upstream)
        logger.info("websocket opened", extra=link.facts())
        with self._guard(link):
            link.client.send(to_client)
            link.upstream.send(to_upstream)
            self._update(link)

    def _handle(self, side: Side, events: int) -> None:
        link = side.link
        if link not in self._links:
            return  # dropped by an earlier event of this round
        with self._guard(link):
            if events & _WRITE:
                side.flush()
            if events & _READ and not side.eof:
                side.receive(self._buffer)
            link.say_goodbye()
            self._update(link)

    @contextlib.contextmanager
    def _guard(self, link: Link) -> t.Iterator[None]:
        """Let trouble cost one connection, not all of them."""
        try:
            yield
        except Exception:
            logger.exception("relay failed", extra=link.facts())
            self._drop(link, "internal error")

    def _close(self, close: closecodes.Close, grace: float, replica: str | None) -> None:
        for link in tuple(self._links):
            if replica is None or link.session.replica == replica:
                with self._guard(link):
                    link.closing = link.closing or close
                    link.end_within(grace)
                    link.say_goodbye()
                    self._update(link)

    def _update(self, link: Link) -> None:
        """Wait for the events that matter now; finish what is over."""
        for side in link.sides:
            side.end()
        if link.is_over:
            self._drop(link)
            return
        if link.deadline is not None:
            self._ending.add(link)
        for side in link.sides:
            reading = side.may_read(bool(side.events & _READ))
            wanted = (_READ if reading else 0) | (_WRITE if side.out else 0)
            if wanted == side.events:
                continue
            if not side.events:
                self._selector.register(side.sock, wanted, side)
            elif wanted:
                self._selector.modify(side.sock, wanted, side)
            else:
                self._selector.unregister(side.sock)
            side.events = wanted

    def _timeout(self) -> float | None:
        if not self._ending:
            return None
        return max(0.0, min(link.deadline or 0.0 for link in self._ending) - time.monotonic())

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        for link in tuple(self._ending):
            if (link.deadline or 0.0) <= now:
                self._drop(link, "the other side did not close in time")

    def _drop(self, link: Link, error: str = "") -> None:
        if link not in self._links:
            return
        self._links.discard(link)
        self._ending.discard(link)
        for side in link.sides:
            if side.events:
                self._selector.unregister(side.sock)
                side.events = 0
            side.sock.close()
        link.error = link.error or error
        logger.info("websocket closed", extra={**link.facts(), **link.outcome()})
