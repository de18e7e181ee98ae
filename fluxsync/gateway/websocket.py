"""Open a WebSocket to Streamlit and leave it to a relay; the worker is free then."""

from __future__ import annotations

import typing as t

from ..bridges import sockets
from ..bridges.relay import RETRY_AFTER, Session
from ..exceptions import BridgeError
from ..sansio import exchanges, frames, handshake
from ..sansio import headers as _headers
from ..telemetry.requestid import HEADER
from ..telemetry.tracing import for_later
from ..upstream.websocket import Refused
from .errors import TITLES, Failure
from .opening import TRANSPORT_HEADER

if t.TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

    from ..sansio.balancing import Row
    from ..typing import Headers, StartResponse
    from ..upstream.websocket import Opened
    from .handover import HandOver
    from .opening import Opener
    from .request import Request

#: The query with which the page's script asks for a greeting, and that, as a frame. Proxies
#: there are that let a WebSocket be opened, and none of its frames through.
GREETING_QUERY = "fluxsync=greet"
GREETING = frames.text_frame(b"fluxsync")


class WebSocketProxy:
    """Forwards WebSockets to the replica they belong to.

    Streamlit's handshake comes first, so that its refusal and its subprotocol reach the
    client, and nothing of the client's reaches Streamlit before it has said 101: otherwise
    a client could send further requests to Streamlit, past the gateway.
    """

    def __init__(self, opener: Opener, hand_over: HandOver) -> None:
        self._opener = opener
        self._hand_over = hand_over

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Open a client's WebSocket, or pass Streamlit's refusal on.

        :raise Failure: It can't be opened, or isn't allowed.
        """
        environ = request.environ
        request.exchange.transport = "websocket"
        refusal = handshake.check_request(
            request.method, environ.get("SERVER_PROTOCOL", ""), request.headers
        )
        if refusal is not None:
            raise Failure(refusal.status, refusal.detail, refusal.headers)
        self._opener.check_origin(request)
        row = self._opener.choose(request)
        try:
            client = sockets.find_socket(environ)
        except BridgeError as e:
            raise Failure(501, f"no WebSockets here: {e}") from e
        full = self._hand_over.full(client).reason(request.client.address)
        if full:
            raise Failure(503, full, [("Retry-After", str(RETRY_AFTER))])
        greets = request.target.query == GREETING_QUERY
        target = request.target._replace(query=None) if greets else request.target
        opened = self._opener.open(request, row, str(target), _fields(request))
        if isinstance(opened, Refused):
            return _pass_refusal(opened, start_response)
        with opened.socket:
            self._leave(request, row, client, opened, GREETING if greets else b"")
        # The server writes this to a dead connection; its log and its hooks see a 101.
        start_response("101 Switching Protocols", [])
        return [b""]

    def _leave(
        self, request: Request, row: Row, client: socket.socket, opened: Opened, greeting: bytes
    ) -> None:
        """Leave it to the relay."""
        answer = handshake.client_answer(opened.answer, [(HEADER, request.request_id)])
        session = Session(
            id=request.request_id,
            replica=row.id,
            client=request.client.address,
            path=request.exchange.path,
            extensions=_headers.get(opened.answer.headers, "sec-websocket-extensions"),
            trace=for_later(),
        )
        early = sockets.early_bytes(request.environ, client)
        first = answer + greeting + opened.early
        self._hand_over.websocket(session, client, opened.socket, first, early)


def _fields(request: Request) -> Headers:
    fields = [
        (name, value)
        for name, value in request.forwarded_headers()
        if name.lower() not in ("host", "content-length", "content-type")
    ]
    return [*fields, (TRANSPORT_HEADER, exchanges.WEBSOCKET)]


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
