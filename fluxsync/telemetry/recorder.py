"""What is done when a request begins and when it has ended: count, log, remember."""

from __future__ import annotations

import collections
import logging
import time
import typing as t

from ..exceptions import UpstreamError
from . import metrics, spans
from .access import BUSY
from .wrapping import WrappingBody

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .access import Exchange
    from .metrics import Tally

#: Methods that have names of their own in metrics; anybody can make up more (RFC 9110 9.1).
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


#: So many characters of a text are remembered. Clients and exceptions say as many as they like, and
#: all of it goes to the supervisor every few seconds.
_MAX_REMEMBERED = 1024


class Recent:
    """The last requests, for the status page. Thread-safe.

    :param size: How many.
    """

    def __init__(self, size: int = 50) -> None:
        self._entries: collections.deque[dict[str, t.Any]] = collections.deque(maxlen=size)

    def add(self, exchange: Exchange) -> None:
        """Remember one that has ended."""
        duration = time.monotonic() - exchange.started
        self._entries.append(
            {
                "time": round(time.time() - duration, 3),
                "method": _shortened(exchange.method),
                "target": _shortened(exchange.target),
                "status": exchange.status,
                "duration_seconds": round(duration, 6),
                "bytes": exchange.bytes,
                "client": exchange.client,
                "transport": exchange.transport,
                "route": exchange.route,
                "replica": exchange.replica,
                "request_id": exchange.request_id,
                "error": _shortened(exchange.error),
            }
        )

    def entries(self) -> list[dict[str, t.Any]]:
        """Return them, the oldest first."""
        return list(self._entries)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_REMEMBERED else text[:_MAX_REMEMBERED] + " (cut)"


class Recorder:
    """Sees each request begin and end, in whichever process it does. Thread-safe.

    :param tally: Counts them; ``None`` counts nothing.
    :param recent: Remembers them, if somebody wants to see them.
    :param log: Whether requests that begin here have a line in the access log.
    """

    def __init__(
        self, tally: Tally | None = None, recent: Recent | None = None, *, log: bool = True
    ) -> None:
        self.tally = tally
        self.recent = recent
        self._log = log
        #: Whether anybody cares when a request ends.
        self.is_active = log or tally is not None or recent is not None

    def begin(self, exchange: Exchange) -> None:
        """Take note of a request that has come."""
        exchange.is_logged = self._log
        self.take_over(exchange)

    def take_over(self, exchange: Exchange) -> None:
        """Take note of a request that has begun in another process."""
        exchange.begun_as = exchange.route
        self._count(exchange, 1)

    def pass_on(self, exchange: Exchange) -> None:
        """Take note that another process sees its end."""
        exchange.is_handed_over = True
        spans.end_request(exchange)
        self._count(exchange, -1)

    def end(self, exchange: Exchange) -> None:
        """Take note of a request's end."""
        spans.end_request(exchange)
        tally, route = self.tally, exchange.route
        if tally is not None:
            self._count(exchange, -1)
            method = exchange.method if exchange.method in _METHODS else "other"
            tally.add(metrics.REQUESTS, route, method, f"{exchange.status // 100}xx")
            if exchange.status != 101:
                duration = time.monotonic() - exchange.started
                tally.observe(metrics.REQUEST_DURATION, duration, route)
            if exchange.bytes:
                tally.add(metrics.RESPONSE_BYTES, route, amount=exchange.bytes)
            if exchange.failure == BUSY:
                tally.add(metrics.REFUSALS, route)
            elif exchange.failure:
                tally.add(metrics.UPSTREAM_ERRORS, exchange.failure)
        if self.recent is not None:
            self.recent.add(exchange)
        if exchange.is_logged:
            # A WebSocket has lines for its opening and its end, and so has a tunnel; what a page
            # sends through one is a request every few moments.
            if exchange.status == 101:
                return
            is_routine = route == "tunnel" and 200 <= exchange.status < 300
            exchange.log(logging.DEBUG if is_routine else logging.INFO)

    def ended(self, exchange: Exchange) -> t.Callable[[int, str], None]:
        """Return what takes note of the end of a response whose rest a relay sends.

        It's called with the number of bytes that the relay has sent, and what went wrong or ``""``.
        """

        def ended(sent: int, error: str) -> None:
            exchange.bytes += sent
            exchange.error = error
            self.end(exchange)

        return ended

    def answered(self, exchange: Exchange) -> t.Callable[[int, int, str], None]:
        """Return what takes note of the end of a request that is left to a relay.

        It's called with the status, the number of bytes, and what went wrong or ``""``.
        """
        ended = self.ended(exchange)

        def answered(status: int, sent: int, error: str) -> None:
            exchange.status = status
            ended(sent, error)

        return answered

    def _count(self, exchange: Exchange, change: int) -> None:
        if self.tally is not None:
            self.tally.add(metrics.IN_PROGRESS, exchange.begun_as, amount=change)


class RecordedBody(WrappingBody):
    """A response body whose end is the end of its request, however it ends."""

    def __init__(self, body: Iterable[bytes], exchange: Exchange, recorder: Recorder) -> None:
        super().__init__(body)
        self._exchange = exchange
        self._recorder = recorder
        self._is_over = False

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        try:
            for chunk in self._body:
                exchange.bytes += len(chunk)
                yield chunk
        except Exception as e:
            exchange.error = f"{type(e).__name__}: {e}"
            if isinstance(e, UpstreamError):
                exchange.failure = e.kind
            raise

    def _end(self) -> None:
        if not self._is_over:
            self._is_over = True
            if not self._exchange.is_handed_over:
                self._recorder.end(self._exchange)
