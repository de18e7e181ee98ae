"""Open a WebSocket to Streamlit and leave it to a relay; the worker is free then."""

from __future__ import annotations

import typing as t

from ..bridges import sockets
from ..bridges.relay import RETRY_AFTER, Session
from ..exceptions import BridgeError, UpstreamError
from ..sansio import handshake, origins
from ..sansio import headers as _headers
from ..telemetry.requestid import HEADER
from ..upstream.websocket import Opened, Refused, open_websocket
from .errors import TITLES, Failure, from_upstream, not_ready
from .streamlit import allowed_origins, foreign_origin

if t.TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..process.client import SupervisorClient
    from ..sansio.balancing import Row
    from ..typing import Headers, StartResponse
    from .handover import HandOver
    from .request import Request

#: Say to pages which way they came, and to which replica.
TRANSPORT_HEADER, REPLICA_HEADER = "X-Fluxsync-Transport", "X-Fluxsync-Replica"


class WebSocketProxy:
    """Forwards WebSockets to the replica they belong to.

    Streamlit's handshake comes first, so that its refusal and its subprotocol reach the
    client, and nothing of the client's reaches Streamlit before it has said 101: otherwise
    a client could send further requests to Streamlit, past the gateway.
    """

    def __init__(
        self, settings: FluxSyncSettings, supervisor: SupervisorClient, hand_over: HandOver
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._hand_over = hand_over
        self._allowed = allowed_origins(settings)

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Open a client's WebSocket, or pass Streamlit's refusal on.

        :raise Failure: It can't be opened, or isn't allowed.
        """
        environ = request.environ
        refusal = handshake.check_request(
            request.method, environ.get("SERVER_PROTOCOL", ""), request.headers
        )
        if refusal is not None:
            raise Failure(refusal.status, refusal.detail, refusal.headers)
        origin = request.header("origin")
        if not origins.is_allowed(origin, request.client.host, self._allowed):
            raise foreign_origin(origin, request)
        table = self._supervisor.table
        row = request.choose(table)
        if row is None:
            raise not_ready(table)
        request.exchange.replica = row.id
        try:
            client = sockets.find_socket(environ)
        except BridgeError as e:
            raise Failure(501, f"no WebSockets here: {e}") from e
        full = self._hand_over.full(client).reason(request.client.address)
        if full:
            raise Failure(503, full, [("Retry-After", str(RETRY_AFTER))])
        opened = self._open(request, row)
        if isinstance(opened, Refused):
            return _pass_refusal(opened, start_response)
        with opened.socket:
            self._leave(request, row, client, opened)
        # The server writes this to a dead connection; its log and its hooks see a 101.
        start_response("101 Switching Protocols", [])
        return [b""]

    def _open(self, request: Request, row: Row) -> Opened | Refused:
        settings = self._settings
        assert row.port is not None
        origin = request.header("origin")
        authority = origin.partition("://")[2]
        try:
            return open_websocket(
                (row.host, row.port),
                str(request.target),
                # Streamlit compares the two to the letter, and looks up this machine's
                # external address, blocking all sessions, if they differ (1.67).
                authority or request.client.host,
                self._fields(request, row),
                connect_timeout=settings.gateway_upstream_connect_timeout_s or None,
                open_timeout=settings.gateway_ws_open_timeout_s or None,
            )
        except UpstreamError as e:
            raise from_upstream(e) from e

    def _fields(self, request: Request, row: Row) -> Headers:
        fields = [
            (name, value)
            for name, value in request.forwarded_headers()
            if name.lower() not in ("host", "content-length", "content-type")
        ]
        return [*fields, (TRANSPORT_HEADER, "websocket"), (REPLICA_HEADER, row.id)]

    def _leave(self, request: Request, row: Row, client: socket.socket, opened: Opened) -> None:
        """Leave it to the relay."""
        answer = handshake.client_answer(opened.answer, [(HEADER, request.request_id)])
        session = Session(
            id=request.request_id,
            replica=row.id,
            client=request.client.address,
            path=request.path,
            extensions=_headers.get(opened.answer.headers, "sec-websocket-extensions"),
        )
        early = sockets.early_bytes(request.environ, client)
        self._hand_over.websocket(session, client, opened.socket, answer + opened.early, early)


def _pass_refusal(refused: Refused, start_response: StartResponse) -> Iterable[bytes]:
    answer = refused.answer
    headers = [
        (name, value)
        for name, value in _headers.to_client(answer.headers)
        if name.lower() != "content-length"
    ]
    # After a 200, say, the client would go on as if it had asked for that.
    status, reason = answer.status, answer.reason or "Refused"
    if status < 300:
        status, reason = 502, TITLES[502]
    headers.append(("Content-Length", str(len(refused.body))))
    start_response(f"{status} {reason}", headers)
    return [refused.body]
