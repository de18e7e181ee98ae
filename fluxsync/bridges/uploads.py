"""A request's body on its way from a client that sends it slowly; no thread waits for it.

Belongs to the relay's thread. The response that follows is a :class:`~.downloads.Download`.
"""

from __future__ import annotations

import socket
import typing as t

from ..sansio import relayed
from ..sansio.http1 import HeadReader
from .downloads import Download
from .farewells import Farewell, abort
from .limits import look_again
from .polling import READ, WRITE

if t.TYPE_CHECKING:
    from .limits import Limits
    from .loop import Loop

#: So much unsent makes the client wait.
_HIGH_WATER = 256 * 1024

#: Called at the end of a hand-over with the response's status, the bytes of it that were
#: sent, and with what went wrong, if anything did.
Answered = t.Callable[[int, int, str], None]


class Upload:
    """Passes a request's body on to Streamlit, and its response back.

    :param left: How many bytes of the body are still to come from the client.
    :param over: Called at the end.
    """

    def __init__(
        self,
        loop: Loop,
        limits: Limits,
        context: relayed.Context,
        sockets: tuple[socket.socket, socket.socket],
        left: int,
        over: Answered,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._context = context
        self._client, self._upstream = sockets
        self._left = left
        self._over = over
        #: Waits to be sent to Streamlit.
        self._out = bytearray()
        self._head = HeadReader()
        #: What the poller waits for, by side.
        self._events = {"client": 0, "streamlit": 0}
        self._sides = {
            "client": _Side(self, self._receive),
            "streamlit": _Side(self, self._exchange),
        }
        self._moved_at = loop.now

    def start(self, first: bytes) -> None:
        """Begin.

        :param first: The request's head, and what has come of the body.
        """
        for sock in (self._client, self._upstream):
            sock.setblocking(False)
        self._out += first
        self._loop.add(self)
        self._exchange(WRITE)

    def _receive(self, events: int) -> None:
        """Read on from the client."""
        try:
            count = self._client.recv_into(self._loop.buffer[: self._left])
        except BlockingIOError:
            return
        except OSError as e:
            self.fail(f"client: {e.strerror or e}")
            return
        if not count:
            self.fail(f"client: {self._left} bytes of the request's body are missing")
            return
        self._left -= count
        self._out += self._loop.buffer[:count]
        self._exchange(WRITE)

    def _exchange(self, events: int) -> None:
        """Write on to Streamlit, and read what it answers, be it early."""
        self._moved_at = self._loop.now
        try:
            if events & WRITE and self._out:
                del self._out[: self._upstream.send(self._out)]
            if events & ~WRITE and self._read_head():
                return
        except BlockingIOError:
            pass
        except ValueError as e:
            self._refuse(502, "Bad Gateway", f"Streamlit's answer can't be used: {e}")
            return
        except OSError as e:
            if not self._answered_early():
                self._refuse(502, "Bad Gateway", f"Streamlit closed the connection: {e!r}")
            return
        self._watch("client", READ if self._left and len(self._out) <= _HIGH_WATER else 0)
        self._watch("streamlit", READ | (WRITE if self._out else 0))

    def _answered_early(self) -> bool:
        """Whether an answer is there though the connection is closed: it didn't want the rest."""
        try:
            return self._read_head()
        except (OSError, ValueError):
            return False

    def _read_head(self) -> bool:
        """Read on; return whether the response has begun, which ends this."""
        count = self._upstream.recv_into(self._loop.buffer)
        if not count:
            raise ValueError("it closed the connection without an answer")
        head = self._head.feed(bytes(self._loop.buffer[:count]))
        if head is None:
            return False
        self._answer(relayed.response_head(head, self._context), self._head.rest)
        return True

    def _answer(self, head: relayed.Head, rest: bytes) -> None:
        self._leave()
        left = head.length
        if left is not None:
            rest = rest[:left]
            left -= len(rest)
        over = self._over
        Download(
            self._loop,
            self._limits,
            self._client,
            self._upstream,
            left,
            lambda sent, error: over(head.status, max(0, sent - len(head.data)), error),
        ).start(head.data + rest)

    def _refuse(self, status: int, title: str, detail: str) -> None:
        """Answer in Streamlit's place."""
        self._leave()
        self._upstream.close()
        added = [*self._context.added.to([]), ("X-Request-Id", self._context.request_id)]
        extra = [f"{name}: {value}" for name, value in added]
        last = relayed.error_response(status, title, detail, extra)
        Farewell(self._loop, self._client, last).start()
        self._over(status, len(detail) + 1, detail)

    def _watch(self, side: str, events: int) -> None:
        if events != self._events[side]:
            sock = self._client if side == "client" else self._upstream
            self._loop.watch(sock, self._events[side], events, self._sides[side])
            self._events[side] = events

    def _leave(self) -> None:
        self._loop.remove(self)
        # The loop's agenda keeps this object for a while.
        self._out.clear()
        for side in self._events:
            self._watch(side, 0)

    def check(self, now: float) -> float | None:
        """Answer when nothing moves any more."""
        from_client = bool(self._left) and not self._out
        limit, other = self._limits.transfer_limits(waits_for_client=from_client)
        if limit and now >= self._moved_at + limit:
            if from_client:
                self._refuse(408, "Request Timeout", "the request's body did not come in time")
            else:
                self._refuse(
                    504,
                    "Gateway Timeout",
                    "Streamlit did not answer in time (gateway_upstream_read_timeout_s)",
                )
            return None
        return look_again(now, self._moved_at, limit, other)

    def fail(self, reason: str) -> None:
        """End at once: Streamlit sees that the body isn't complete, the client gets nothing."""
        if self not in self._loop.tasks:
            return
        self._leave()
        self._upstream.close()
        abort(self._client)
        self._over(0, 0, reason)


class _Side:
    """What happens on one of the two sockets."""

    def __init__(self, upload: Upload, on_events: t.Callable[[int], None]) -> None:
        self.on_events = on_events
        self.fail = upload.fail
