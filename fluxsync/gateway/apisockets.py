"""WebSockets of the API: each has a thread of its own, and none of the server's.

The client's connection is taken from the server, as for Streamlit's WebSockets, but it stays in
this process, with the handler.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
import typing as t

from ..bridges import sockets
from ..bridges.relay import RETRY_AFTER
from ..bridges.turns import at_exit
from ..exceptions import BridgeError
from ..sansio import closecodes, handshake
from ..telemetry import metrics, spans
from ..telemetry.metrics import Tally
from ..telemetry.requestid import HEADER
from ..telemetry.tracing import begin_span
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..api.connection import WebSocket
    from ..api.websockets import Match, WebSocketRoutes
    from ..config import FluxSyncSettings
    from ..telemetry.tracing import Span
    from ..typing import StartResponse, WSGIEnvironment
    from .opening import Opener
    from .request import Request

logger = logging.getLogger("fluxsync.api")

#: What metrics call these.
_API = "api"
#: Seconds that clients get to take note of this process's end.
_GOODBYE = 1.0


class ApiSockets:
    """Opens the API's WebSockets and runs their handlers.

    Thread-safe; starts nothing before the first one.

    :param opener: Says which pages may open one.
    :param tally: Counts them; ``None`` counts nothing.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        routes: WebSocketRoutes | None,
        opener: Opener,
        tally: Tally | None,
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._opener = opener
        self._tally = tally or Tally()
        self._lock = threading.Lock()
        self._pid = 0
        self._taken = 0
        self._is_leaving = False
        self._open: dict[WebSocket, threading.Thread] = {}
        #: Those whose handlers have returned.
        self._finishing: set[threading.Thread] = set()

    def find(self, request: Request) -> Match | None:
        """Return the handler that a path of the API belongs to, or ``None``."""
        if not self._routes:
            return None
        return self._routes.match(request.path[len(self._settings.api_mount_path) :])

    def __call__(
        self,
        request: Request,
        match: Match,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Open a WebSocket.

        :param environ: What the API sees of the request.
        :raise Failure: It can't be opened, or isn't allowed.
        """
        if not handshake.is_upgrade(request.headers):
            raise Failure(
                426,
                "this is a WebSocket: ask with Upgrade: websocket, and have proxies pass it on",
                [("Upgrade", "websocket"), ("Connection", "Upgrade")],
            )
        request.exchange.transport = "websocket"
        refusal = handshake.check_request(
            request.method, environ.get("SERVER_PROTOCOL", ""), request.headers
        )
        if refusal is not None:
            raise Failure(refusal.status, refusal.detail, refusal.headers)
        self._opener.check_origin(request)
        try:
            client = sockets.find_socket(request.environ)
        except BridgeError as e:
            raise Failure(501, f"no WebSockets here: {e}") from e
        self._take_place()
        try:
            self._start(request, match, environ, client)
        except BaseException:
            self._give_place_back()
            raise
        # The server writes this to a dead connection; its log and its hooks see a 101.
        start_response("101 Switching Protocols", [])
        return [b""]

    def _start(
        self, request: Request, match: Match, environ: WSGIEnvironment, client: t.Any
    ) -> None:
        from wsproto.utilities import ProtocolError

        from ..api.connection import WebSocket
        from ..api.line import Line

        settings = self._settings
        line = Line(settings.gateway_client_timeout_s)

        def claim() -> None:
            early = sockets.early_bytes(request.environ, client)
            field = f"{HEADER}: {request.request_id}\r\n".encode()
            line.attach(sockets.take(client), early, field)

        try:
            websocket = WebSocket(
                environ,
                line,
                claim,
                match.subprotocols,
                settings.gateway_ws_ping_interval_s,
                settings.gateway_ws_max_message_bytes,
            )
        except (ProtocolError, UnicodeError) as e:
            raise Failure(400, f"the WebSocket's handshake is malformed: {e}") from e
        facts = {
            "request_id": request.request_id,
            "client": request.client.address,
            "path": request.exchange.path,
            "transport": _API,
        }
        span = begin_span(
            "fluxsync.websocket",
            {
                "fluxsync.request_id": request.request_id,
                "fluxsync.transport": _API,
                "client.address": request.client.address,
                "url.path": request.exchange.path,
            },
        )
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(self._run, websocket, match, facts, span),
            name="fluxsync-api-websocket",
            daemon=True,
        )
        with self._lock:
            self._open[websocket] = thread
        try:
            thread.start()
        except RuntimeError as e:  # too many threads
            with self._lock:
                del self._open[websocket]
            span.end(e)
            line.abort()
            raise Failure(503, str(e)) from e

    def _run(self, websocket: WebSocket, match: Match, facts: dict[str, t.Any], span: Span) -> None:
        """Call the handler; the thread's target."""
        from simple_websocket import ConnectionClosed

        from ..api.connection import INTERNAL_ERROR, NORMAL

        began = time.monotonic()
        logger.info("websocket opened", extra=facts)
        self._tally.add(metrics.WEBSOCKETS_OPENED, _API)
        self._tally.add(metrics.WEBSOCKETS_OPEN, _API)
        code = NORMAL
        try:
            with span.current():
                match.handler(websocket, **match.arguments)
        except ConnectionClosed:
            pass
        except (Exception, SystemExit):
            logger.exception("the handler of a WebSocket failed", extra=facts)
            code = INTERNAL_ERROR
        with self._lock:
            self._finishing.add(threading.current_thread())
        try:
            websocket.leave(code)
            most = _GOODBYE if self._is_leaving else self._settings.gateway_ws_close_timeout_s
            websocket.finish(most)
        finally:
            with self._lock:
                del self._open[websocket]
                self._finishing.discard(threading.current_thread())
            self._give_place_back()
            duration, closed = time.monotonic() - began, int(websocket.close_reason)
            bytes_in, bytes_out = websocket.traffic
            outcome = {
                "code": closed,
                "close": str(closecodes.Close(closed, websocket.close_message or "")),
                "duration_seconds": duration,
                "bytes_in": bytes_in,
                "bytes_out": bytes_out,
            }
            for name in ("code", "bytes_in", "bytes_out"):
                span.set_attribute(spans.WEBSOCKET[name], outcome[name])
            if code == INTERNAL_ERROR:
                span.fail(str(code))
            span.end()
            self._tally.add(metrics.WEBSOCKETS_OPEN, _API, amount=-1)
            self._tally.add(metrics.WEBSOCKETS_CLOSED, _API, closecodes.label(closed))
            self._tally.observe(metrics.WEBSOCKET_DURATION, duration, _API)
            self._tally.add(metrics.WEBSOCKET_BYTES, _API, "received", amount=bytes_in)
            self._tally.add(metrics.WEBSOCKET_BYTES, _API, "sent", amount=bytes_out)
            logger.info("websocket closed", extra={**facts, **outcome})

    def _take_place(self) -> None:
        most = self._settings.api_ws_max_connections
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._is_leaving = False
                at_exit(self.end)
            if self._is_leaving:
                raise Failure(503, "this process ends", [("Retry-After", "1")])
            if self._taken >= most:
                raise Failure(
                    503,
                    f"this process has {most} WebSockets of the API open (api_ws_max_connections)",
                    [("Retry-After", str(RETRY_AFTER))],
                )
            self._taken += 1

    def _give_place_back(self) -> None:
        with self._lock:
            self._taken -= 1

    def leave(self) -> None:
        """Close all with 1001; their handlers may go on."""
        with self._lock:
            if self._pid != os.getpid():
                return
            self._is_leaving = True
            websockets = list(self._open)
        if websockets:
            from ..api.connection import GOING_AWAY

            for websocket in websockets:
                websocket.leave(GOING_AWAY, "the server is going away")

    def end(self) -> None:
        """Close all with 1001, and wait for their handlers as long as is graceful."""
        self.leave()
        deadline = time.monotonic() + self._settings.graceful_timeout_s
        with self._lock:
            threads = list(self._open.values()) if self._pid == os.getpid() else []
        for thread in threads:
            left = max(0.0, deadline - time.monotonic())
            # Some client may have kept it waiting before.
            thread.join(min(left, 2 * _GOODBYE) if thread in self._finishing else left)
