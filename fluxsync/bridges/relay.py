"""Relay what needs no thread: open WebSockets, and slow uploads and downloads.

Frames pass unchanged: masks, fragments, compression, pings, close codes and reasons. So
the relay is exact, and as cheap as reading and writing. It follows the frames' boundaries
only, to stop what is illegal, and to be able to speak between two of them.
"""

from __future__ import annotations

import collections
import logging
import threading
import typing as t

from ..sansio import closecodes, relayed
from ..sansio.admission import Admission, Full
from ..telemetry import metrics, spans
from ..telemetry.metrics import Tally
from .downloads import Download
from .farewells import Farewell
from .limits import Limits
from .links import Link, Session
from .loop import Loop
from .uploads import Upload

if t.TYPE_CHECKING:
    import socket

    from .downloads import Over, Source
    from .polling import Connection
    from .uploads import Answered

__all__ = ["Relay", "Session"]

logger = logging.getLogger("fluxsync.websocket")

#: Seconds after which a client that was refused may try again.
RETRY_AFTER = 10


class Relay:
    """Relays all WebSockets of a process, and what else is handed over.

    The public methods may be called from any thread. The relay's own thread starts with the
    first connection, never before a fork.

    :param on_full: Called in that thread whenever it's others who would be refused.
    :param tally: Counts WebSockets and transfers.
    :param on_traced: Called in that thread with what's to be known of a WebSocket that is
        closed, if its session wants a span; see :func:`~fluxsync.telemetry.tracing.record`.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        on_full: t.Callable[[], None] | None = None,
        tally: Tally | None = None,
        on_traced: t.Callable[[dict[str, t.Any]], None] | None = None,
    ) -> None:
        self._on_traced = on_traced
        self.tally = tally or Tally()
        self.tally.add(metrics.TRANSFERS_OPEN, amount=0)
        #: Runs everything that goes on here; others may have it run more.
        self.loop = Loop("fluxsync-relay")
        self._links: set[Link] = set()
        self._transfers = 0
        self._on_full = on_full
        #: Set when no WebSocket is left, if somebody waits for that.
        self._emptied: threading.Event | None = None
        #: Who would be refused now.
        self.full = Full()
        self._admission = Admission(0, 0)
        self._set(limits or Limits())

    def configure(self, limits: Limits) -> None:
        """Treat the connections that come from now on like this."""
        self.loop.call(lambda: self._set(limits))

    def add(
        self,
        session: Session,
        client: Connection,
        upstream: socket.socket,
        to_client: bytes,
        to_upstream: bytes,
    ) -> None:
        """Take over a WebSocket whose handshake is done upstream.

        :param to_client: The 101, and what Streamlit sent right behind its own.
        :param to_upstream: What the client sent before it saw the 101.
        """
        # The 101 isn't a frame; what comes behind it is.
        head, end, early = to_client.partition(b"\r\n\r\n")

        def start() -> None:
            reason = self._admission.full().reason(session.client)
            if reason:
                # Rarely: the worker that has opened it didn't know yet.
                self._refuse(session, (client, upstream), reason)
            else:
                self.link(session, (client, upstream), head + end, early, to_upstream)

        self.loop.call(start)

    def upload(
        self,
        context: relayed.Context,
        sockets: tuple[socket.socket, socket.socket],
        left: int,
        first: bytes,
        over: Answered,
    ) -> None:
        """Take over a request whose body is still to come.

        :param sockets: The client's and Streamlit's.
        :param left: How many bytes the client still has to send.
        :param first: What Streamlit gets before: the request's head, and what has come.
        :param over: Called at the end, in the relay's thread.
        """

        def start() -> None:
            ended = self._counted(over)
            Upload(self.loop, self.limits, context, sockets, left, ended).start(first)

        self.loop.call(start)

    def download(
        self, client: socket.socket, source: Source, left: int, first: bytes, over: Over
    ) -> None:
        """Take over a response of which the client hasn't taken everything.

        :param source: Streamlit's connection, or a file.
        :param left: How many bytes of the source are still to be sent.
        :param first: What is to be sent before.
        :param over: Called at the end, in the relay's thread.
        """

        def start() -> None:
            ended = self._counted(over)
            Download(self.loop, self.limits, client, source, left, ended).start(first)

        self.loop.call(start)

    def close_all(self, close: closecodes.Close, grace: float, replica: str | None = None) -> None:
        """Say goodbye on all WebSockets, or on those of one replica.

        :param grace: Seconds after which what is still open is dropped.
        """
        self.loop.call(lambda: self._close(close, grace, replica))

    def counts(self) -> dict[str, int]:
        """Return the number of open WebSockets of each replica."""
        counts: collections.Counter[str] = collections.Counter()
        for link in self._links.copy():
            counts[link.session.replica] += 1
        return dict(counts)

    def count_bytes(self) -> None:
        """Have the bytes counted that open WebSockets have passed on; that takes a moment."""
        if self._links:
            self.loop.call(self._count_all_bytes)

    @property
    def transfers(self) -> int:
        """Number of uploads and downloads that go on."""
        return self._transfers

    def stop(self, timeout: float | None = None) -> None:
        """Drop what is left and end the thread.

        :param timeout: Seconds to wait for the thread; ``None`` is no limit.
        """
        self.loop.stop(timeout)

    def end(self, grace: float) -> None:
        """Say goodbye on all WebSockets, and end the thread when that's done.

        :param grace: Seconds that it may take.
        """
        self.close_all(closecodes.Close(closecodes.GOING_AWAY), grace)
        # The thread runs the calls in their order.
        ended = threading.Event()
        self.loop.call(lambda: self._when_empty(ended))
        ended.wait(2 * grace)
        self.stop(grace)

    # From here on: the relay's thread.

    def _when_empty(self, ended: threading.Event) -> None:
        """Tell when no WebSocket is left."""
        self._emptied = ended
        if not self._links:
            ended.set()

    def _set(self, limits: Limits) -> None:
        self.limits = limits
        self._admission.set_limits(limits.max_connections, limits.max_connections_per_client)
        self._show_full()

    def link(
        self,
        session: Session,
        sockets: tuple[Connection, socket.socket],
        answer: bytes,
        to_client: bytes,
        to_upstream: bytes,
        limits: Limits | None = None,
    ) -> Link:
        """Link the two ends of a WebSocket that :attr:`full` admits; see :meth:`Link.start`."""
        self._admission.admit(session.client)
        self._show_full()
        self.tally.add(metrics.WEBSOCKETS_OPENED, session.transport)
        self.tally.add(metrics.WEBSOCKETS_OPEN, session.transport)
        link = Link(self.loop, session, limits or self.limits, sockets, self._forget)
        self._links.add(link)
        try:
            link.start(answer, to_client, to_upstream)
        except Exception:
            logger.exception("relay failed", extra=link.facts())
            link.fail("internal error")
        return link

    def reserve(self, change: int) -> None:
        """Count more files that are open, or fewer, as many as a WebSocket has."""
        self._admission.reserve(change)
        self._show_full()

    def _refuse(
        self, session: Session, sockets: tuple[Connection, socket.socket], reason: str
    ) -> None:
        client, upstream = sockets
        upstream.close()
        logger.warning(
            "websocket refused",
            extra={
                "request_id": session.id,
                "client": session.client,
                "path": session.path,
                "transport": session.transport,
                "status": 503,
                "reason": reason,
            },
        )
        extra = [f"Retry-After: {RETRY_AFTER}"]
        last = relayed.error_response(503, "Service Unavailable", reason, extra)
        Farewell(self.loop, client, last).start()

    def _forget(self, link: Link) -> None:
        self._links.discard(link)
        if not self._links and self._emptied is not None:
            self._emptied.set()
        self._admission.leave(link.session.client)
        self._show_full()
        transport, tally = link.session.transport, self.tally
        tally.add(metrics.WEBSOCKETS_OPEN, transport, amount=-1)
        tally.add(metrics.WEBSOCKETS_CLOSED, transport, closecodes.label(link.close_code))
        tally.observe(metrics.WEBSOCKET_DURATION, self.loop.now - link.started, transport)
        self._count_bytes(link)
        trace = link.session.trace
        if trace is not None and self._on_traced is not None:
            facts = {**link.facts(), **link.outcome()}
            self._on_traced(spans.websocket(trace, facts, transport))

    def _show_full(self) -> None:
        full = self._admission.full()
        if full != self.full:
            self.full = full
            if self._on_full is not None:
                self._on_full()

    def _close(self, close: closecodes.Close, grace: float, replica: str | None) -> None:
        for link in tuple(self._links):
            if replica is None or link.session.replica == replica:
                link.say_goodbye(close, grace)

    def _count_all_bytes(self) -> None:
        for link in self._links:
            self._count_bytes(link)

    def _count_bytes(self, link: Link) -> None:
        """Count what has passed since this was last called."""
        for direction, size in zip(("received", "sent"), link.uncounted(), strict=True):
            labels = link.session.transport, direction
            self.tally.add(metrics.WEBSOCKET_BYTES, *labels, amount=size)

    def _counted(self, over: t.Callable[..., None]) -> t.Callable[..., None]:
        """Count a transfer that begins, and return what is to be called at its end."""

        def count(change: int) -> None:
            self._transfers += change
            self.tally.add(metrics.TRANSFERS_OPEN, amount=change)

        def ended(*outcome: t.Any) -> None:
            count(-1)
            over(*outcome)

        count(1)

        return ended
