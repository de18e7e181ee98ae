"""What is known about a request, and its line in the access log."""

from __future__ import annotations

import dataclasses
import logging
import time

from .redaction import redact_query
from .tracing import NOTHING

#: What has failed if a worker had no place for a request.
BUSY = "busy"

logger = logging.getLogger("fluxsync.access")


@dataclasses.dataclass
class Exchange:
    """What is known about one request when it ends."""

    method: str
    path: str
    query: str
    request_id: str
    client: str = ""
    #: Who answers; the label ``dispatch`` of metrics.
    route: str = ""
    replica: str = ""
    #: How the client came: ``http``, ``websocket``, or a tunnel's transport.
    transport: str = "http"
    status: int = 0
    bytes: int = 0
    started: float = dataclasses.field(default_factory=time.monotonic)
    #: Why the body broke off, if it did.
    error: str = ""
    #: What failed on the hop to Streamlit, if that did; or :data:`BUSY`.
    failure: str = ""
    #: ``Content-Length`` of the response; -1 without.
    length: int = -1
    #: What it counts as while it's in progress; the route may become more exact.
    begun_as: str = ""
    #: Whether there's to be a line.
    is_logged: bool = True
    #: Whether a relay sees the end, and not this process.
    is_handed_over: bool = False
    # No field: it stays in this process.
    span = NOTHING

    @property
    def target(self) -> str:
        """What was asked for, without secrets and in one line."""
        target = f"{self.path}?{redact_query(self.query)}" if self.query else self.path
        return target if target.isprintable() else ascii(target)[1:-1]

    def log(self, level: int = logging.INFO) -> None:
        """Write the line."""
        if not logger.isEnabledFor(level):
            return
        # Not logger.info(): that looks for the line of code which logs, and nobody wants it.
        record = logger.makeRecord(
            logger.name,
            level,
            __file__,
            0,
            "%s %s %d",
            (self.method, self.target, self.status),
            None,
            extra={
                "method": self.method,
                "path": self.path,
                "status": self.status,
                "duration_seconds": time.monotonic() - self.started,
                "bytes": self.bytes,
                "client": self.client,
                "transport": self.transport,
                "route": self.route,
                "replica": self.replica,
                "request_id": self.request_id,
                "error": self.error,
            },
        )
        logger.handle(record)
