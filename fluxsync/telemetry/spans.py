"""What the spans of requests and WebSockets say, in OpenTelemetry's words where it has them.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import time
import typing as t

from ..sansio.routing import Route
from . import tracing
from .redaction import redact_query
from .tracers import FIELDS
from .wrapping import WrappingBody

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .access import Exchange
    from .tracing import Span

#: Routes all of whose requests have spans.
_TRACED = (Route.API, Route.STREAMLIT, Route.WEBSOCKET, Route.PRIVATE, Route.MISPLACED)
#: What is known of a WebSocket that is closed: names in logs, and of attributes.
WEBSOCKET = {
    "request_id": "fluxsync.request_id",
    "replica": "fluxsync.replica",
    "client": "client.address",
    "path": "url.path",
    "code": "fluxsync.websocket.close_code",
    "closed_by": "fluxsync.websocket.closed_by",
    "duration_seconds": "fluxsync.websocket.duration",
    "bytes_in": "fluxsync.websocket.bytes_received",
    "bytes_out": "fluxsync.websocket.bytes_sent",
    "messages_in": "fluxsync.websocket.messages_received",
    "messages_out": "fluxsync.websocket.messages_sent",
}
#: Close codes that say what is wrong (RFC 6455 7.4.1, and its registry). Not 1006: browsers just leave.
_FAILURES = (1002, 1003, *range(1007, 1016))


def begin_request(
    exchange: Exchange, environ: t.Mapping[str, t.Any], scheme: str, route: Route
) -> None:
    """Begin the span of a request; it goes on with the trace that the client names, if any.

    Whoever asks how things are, every few seconds, has none, and neither have the pieces of a
    tunnel: what opens it is its handshake.
    """
    opens = exchange.path.endswith("/open")
    if route not in _TRACED and not (route is Route.TUNNEL and opens):
        return
    exchange.span = tracing.begin_span(
        "fluxsync.gateway.request",
        {
            "fluxsync.dispatch": exchange.route,
            "fluxsync.request_id": exchange.request_id,
            "http.request.method": exchange.method,
            "url.scheme": scheme,
            "url.path": exchange.path,
            "client.address": exchange.client,
        },
        "server",
        {name: environ.get(f"HTTP_{name.upper()}", "") for name in FIELDS},
    )


def end_request(exchange: Exchange) -> None:
    """End a request's span, as it has ended, or goes on in another process."""
    span = exchange.span
    if not span.is_wanted:
        return
    span.set_attribute("fluxsync.dispatch", exchange.route)
    if exchange.replica:
        span.set_attribute("fluxsync.replica", exchange.replica)
    if exchange.is_handed_over:
        span.set_attribute("fluxsync.handed_over", True)
    _set_status(span, exchange.status, worst=500)
    if exchange.error and exchange.status < 400:
        span.fail(exchange.failure or "aborted")
    span.end()


def begin_upstream(exchange: Exchange, authority: str) -> Span:
    """Begin the span of a request to Streamlit.

    :param authority: Streamlit's host and port.
    """
    host, _, port = authority.rpartition(":")
    query = f"?{redact_query(exchange.query)}" if exchange.query else ""
    return tracing.begin_span(
        "fluxsync.gateway.upstream_http",
        {
            "http.request.method": exchange.method,
            "url.full": f"http://{authority}{exchange.path}{query}",
            "server.address": host,
            "server.port": int(port),
            "fluxsync.replica": exchange.replica,
            "fluxsync.request_id": exchange.request_id,
        },
        "client",
    )


def end_upstream(span: Span, status: int) -> None:
    """Note the answer to a request to Streamlit."""
    _set_status(span, status, worst=400)


def begin_api(exchange: Exchange, path: str) -> Span:
    """Begin the span of a call of the API.

    :param path: Below the API's mount.
    """
    return tracing.begin_span(
        "fluxsync.api",
        {
            "http.request.method": exchange.method,
            "url.path": path,
            "fluxsync.request_id": exchange.request_id,
        },
    )


class ApiBody(WrappingBody):
    """The body of an API's response, whose code runs within the API's span until it's closed."""

    def __init__(self, body: Iterable[bytes], span: Span, exchange: Exchange) -> None:
        super().__init__(body)
        self._span = span
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        with self._span.current():
            pieces = iter(self._body)
        try:
            while True:
                # Only while its code runs: the thread may answer other requests meanwhile.
                with self._span.current():
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece
        except Exception as e:
            self._span.fail(type(e).__name__)
            raise

    def close(self) -> None:
        """Close the wrapped body, whose code belongs to the span as well, and end that."""
        with self._span.current():
            super().close()

    def _end(self) -> None:
        end_api(self._span, self._exchange)


def end_api(span: Span, exchange: Exchange) -> None:
    """End the span of a call of the API."""
    _set_status(span, exchange.status, worst=500)
    span.end()


def drop_api(span: Span, error: BaseException) -> None:
    """End the span of a call of the API that ends with an exception, which may have a status."""
    status = getattr(error, "status", 0)
    _set_status(span, status, worst=500)
    span.end(None if status else error)


def websocket(
    trace: t.Mapping[str, str], facts: t.Mapping[str, t.Any], transport: str
) -> dict[str, t.Any]:
    """Return what :func:`.tracing.record` makes a WebSocket's span of, now that it's closed.

    :param trace: From :func:`.tracing.for_later`, when it was opened.
    :param facts: What logs say of it.
    """
    ended = time.time_ns()
    attributes = {name: facts[key] for key, name in WEBSOCKET.items()}
    attributes["fluxsync.transport"] = transport
    code = facts["code"]
    error = str(code) if code in _FAILURES else "aborted" if facts["error"] else ""
    return {
        "name": "fluxsync.websocket",
        "trace": trace,
        "attributes": attributes,
        # The clock may have been set since it was opened.
        "began": ended - int(facts["duration_seconds"] * 1e9),
        "ended": ended,
        "error": error,
    }


def _set_status(span: Span, status: int, *, worst: int) -> None:
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= worst:
        span.fail(str(status))
