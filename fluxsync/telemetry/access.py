"""One line per request, at its end."""

from __future__ import annotations

import dataclasses
import logging
import time
import typing as t

from .redaction import redact_query

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

logger = logging.getLogger("fluxsync.access")


@dataclasses.dataclass
class Exchange:
    """What is known about one request when it ends."""

    method: str
    path: str
    query: str
    request_id: str
    client: str = ""
    route: str = ""
    replica: str = ""
    status: int = 0
    bytes: int = 0
    started: float = dataclasses.field(default_factory=time.monotonic)
    #: Why the body broke off, if it did.
    error: str = ""
    #: ``Content-Length`` of the response; -1 without.
    length: int = -1
    #: Whether a relay logs the end, and not this process.
    is_handed_over: bool = False

    def ended(self, sent: int, error: str) -> None:
        """Log the end of a response whose rest was sent by a relay.

        :param sent: Bytes that the relay has sent.
        :param error: What went wrong, or ``""``.
        """
        self.bytes += sent
        self.error = error
        self.log()

    def answered(self, status: int, sent: int, error: str) -> None:
        """Log the end of a request that was left to a relay."""
        self.status = status
        self.ended(sent, error)

    def log(self) -> None:
        """Write the line."""
        if not logger.isEnabledFor(logging.INFO):
            return
        target = f"{self.path}?{redact_query(self.query)}" if self.query else self.path
        # Not logger.info(): that looks for the line of code which logs, and nobody wants it.
        record = logger.makeRecord(
            logger.name,
            logging.INFO,
            __file__,
            0,
            "%s %s %d",
            (self.method, target if target.isprintable() else ascii(target)[1:-1], self.status),
            None,
            extra={
                "duration_seconds": time.monotonic() - self.started,
                "bytes": self.bytes,
                "client": self.client,
                "route": self.route,
                "replica": self.replica,
                "request_id": self.request_id,
                "error": self.error,
            },
        )
        logger.handle(record)


def log_nothing(*outcome: object) -> None:
    """Stand in for :meth:`Exchange.ended` and :meth:`~Exchange.answered`: there's to be no line."""


class LoggedBody:
    """A response body that logs its exchange once it's over, however it ends."""

    def __init__(self, body: Iterable[bytes], exchange: Exchange) -> None:
        self._body = body
        self._exchange = exchange
        self._logged = False

    def __iter__(self) -> Iterator[bytes]:
        exchange = self._exchange
        try:
            for chunk in self._body:
                exchange.bytes += len(chunk)
                yield chunk
        except Exception as e:
            exchange.error = f"{type(e).__name__}: {e}"
            raise

    def close(self) -> None:
        """Close the wrapped body and log; servers call it once (PEP 3333)."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            if not self._logged:
                self._logged = True
                if not self._exchange.is_handed_over:
                    self._exchange.log()
