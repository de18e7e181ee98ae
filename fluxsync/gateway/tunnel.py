"""The requests of tunnels: WebSockets for pages that can't have one (see docs/tunnel.rst).

The tunnels are in the supervisor, so that any worker can take any request. What is answered at
once is answered here, with what the supervisor says. What has to wait is handed over with the
page's connection, and holds no thread.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import typing as t

from ..bridges import sockets
from ..bridges.links import Session
from ..bridges.relay import RETRY_AFTER
from ..exceptions import SupervisorError
from ..sansio import exchanges, records
from ..sansio import headers as _headers
from ..sansio.routing import TUNNEL_PREFIX
from ..telemetry.tracing import for_later
from ..tunnel import messages
from ..tunnel.registry import Claim
from ..upstream.websocket import Refused
from .delivery import gunicorn_socket
from .entrusting import Entrusting, find_client
from .errors import TITLES, Failure
from .opening import FALLBACK_HEADER, TRANSPORT_HEADER
from .streamlit import RequestBody, TooLarge, Unread

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..process.client import SupervisorClient
    from ..telemetry.recorder import Recorder
    from ..typing import Headers, StartResponse
    from .opening import Opener
    from .request import Request

#: Most bytes of an opening.
_MAX_OPENING = 64 * 1024
#: Where Streamlit has its WebSocket.
_STREAM = "/_stcore/stream"
#: What browsers send with a request of a script, and not with a WebSocket's handshake.
_NOT_OF_HANDSHAKES = frozenset(
    ("accept", "content-length", "content-type", "host", "priority", "referer")
)
_NOT_OF_HANDSHAKES_PREFIXES = ("sec-ch-", "sec-fetch-", "sec-websocket-")


class TunnelProxy:
    """Answers the requests of tunnels.

    Thread-safe.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        supervisor: SupervisorClient,
        opener: Opener,
        recorder: Recorder,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._opener = opener
        self._entrusted = Entrusting(supervisor, recorder)
        self._verbs = {
            "probe": self._probe,
            "open": self._open,
            "exchange": self._exchange,
            "close": self._close,
        }

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request.

        :raise Failure: It's malformed, or not allowed, or can't be answered.
        """
        verb = self._verbs.get(request.path[len(TUNNEL_PREFIX) + 1 :])
        if verb is None:
            raise Failure(404, "a tunnel knows probe, open, exchange and close")
        if request.method != "POST":
            raise Failure(405, "a tunnel's requests are POST", [("Allow", "POST")])
        if not exchanges.is_id(request.header(exchanges.FIELD)) and not self._is_new(request):
            raise Failure(403, f"the field {exchanges.FIELD} is missing, or isn't a tunnel's id")
        self._opener.check_origin(request)
        try:
            return verb(request, start_response)
        except ValueError as e:
            raise Failure(400, str(e)) from e
        except TooLarge as e:
            raise Failure(413, "the request's body is larger than the tunnel's pieces") from e
        except Unread as e:
            raise e.failure from e
        except SupervisorError as e:
            raise Failure(503, str(e), [("Retry-After", "1")]) from e

    def _probe(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        key, is_ack = exchanges.parse_key(request.target.query or "")
        client = None if is_ack else find_client(request)
        if client is None and not is_ack:
            state = records.encode_state(records.State(), exchanges.NO_HOLD)
            return _answer(exchanges.Reply(200, state), start_response)
        verb = messages.Probing(key, is_ack)
        if client is not None:
            return self._entrusted.leave(request, verb, client, start_response)
        return _answer(self._entrusted.ask(request, verb), start_response)

    def _open(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        opening = exchanges.parse_opening(_read(self._body(request, _MAX_OPENING)))
        request.exchange.transport = opening.transport
        row = self._opener.choose(request)
        full = self._supervisor.full.reason(request.client.address)
        if full:
            raise Failure(503, full, [("Retry-After", str(RETRY_AFTER))])
        opened = self._opener.open(request, row, _STREAM, _fields(request, opening))
        if isinstance(opened, Refused):
            return _answer(_refusal(opened), start_response)
        with opened.socket:
            cookie = _cookie(request)
            claim = Claim(secrets.token_urlsafe(24), cookie or secrets.token_urlsafe(18))
            session = Session(
                id=request.request_id,
                replica=row.id,
                client=request.client.address,
                path=_STREAM,
                extensions=_headers.get(opened.answer.headers, "sec-websocket-extensions"),
                transport="tunnel",
                trace=for_later(),
            )
            verb = messages.Opened(claim, opening, session, is_new=not cookie)
            reply = self._entrusted.ask(request, verb, opened.early, opened.socket)
        if reply.status != 200:  # there are too many
            return _answer(reply, start_response, [("Retry-After", str(RETRY_AFTER))])
        described = {
            "id": claim.id,
            "protocol": _headers.get(opened.answer.headers, "sec-websocket-protocol"),
            "hold": find_client(request) is not None,
            "wait": self._settings.gateway_tunnel_wait_s,
            "piece": exchanges.PIECE,
        }
        reply = exchanges.Reply(200, json.dumps(described).encode(), "application/json")
        extra = [] if cookie else [request.set_cookie(exchanges.COOKIE, claim.browser)]
        return _answer(reply, start_response, extra)

    def _exchange(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        query = request.target.query or ""
        ask = exchanges.parse_ask(query, self._settings.gateway_tunnel_wait_s)
        request.exchange.transport = ask.mode
        waits = bool(ask.wait and ask.limit) and ask.mode != exchanges.SHORT_POLL
        body = self._body(request, exchanges.PIECE)
        if waits and body.framing.has_body:
            raise ValueError("a request that waits has no body")
        client = find_client(request) if waits else None
        if client is not None:
            waiting = messages.Exchanging(_claim(request), ask)
            return self._entrusted.leave(request, waiting, client, start_response)
        # Nobody else could take its thread's place.
        verb = messages.Exchanging(_claim(request), ask._replace(wait=0.0))
        length = body.framing.length or 0
        # Browsers say how long it is; what comes in chunks is read here.
        client = gunicorn_socket(request.environ) if length else None
        if client is not None and sockets.bytes_at_hand(request.environ, client) < length:
            early = sockets.early_bytes(request.environ, client)[:length]
            left = length - len(early)
            return self._entrusted.leave(request, verb, client, start_response, (early, left))
        return _answer(self._entrusted.ask(request, verb, _read(body)), start_response)

    def _close(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(
            self._entrusted.ask(request, messages.Closing(_claim(request))), start_response
        )

    def _body(self, request: Request, limit: int) -> RequestBody:
        try:
            return RequestBody(request, self._settings, limit)
        except Failure as e:
            if e.status == 413:  # it names a setting, which isn't the one here
                raise TooLarge from e
            raise

    def _is_new(self, request: Request) -> bool:
        """Whether this is a request that comes before there's an id."""
        is_first = request.path.endswith(("/probe", "/open"))
        return is_first and request.header(exchanges.FIELD) == exchanges.NEW


def _read(body: RequestBody) -> bytes:
    return b"".join(body) if body.framing.has_body else b""


def _claim(request: Request) -> Claim:
    return Claim(request.header(exchanges.FIELD), _cookie(request))


def _cookie(request: Request) -> str:
    value = _headers.cookie_value(request.header("cookie"), exchanges.COOKIE)
    return value if exchanges.is_id(value) else ""


def _fields(request: Request, opening: exchanges.Opening) -> Headers:
    """Return the handshake that the page's browser would have sent."""
    fields = [
        (name, value)
        for name, value in request.forwarded_headers()
        if name.lower() not in _NOT_OF_HANDSHAKES
        and not name.lower().startswith(_NOT_OF_HANDSHAKES_PREFIXES)
    ]
    fields.append(("Sec-WebSocket-Version", "13"))
    fields.append(("Sec-WebSocket-Key", base64.b64encode(os.urandom(16)).decode()))
    if opening.protocols:
        fields.append(("Sec-WebSocket-Protocol", ", ".join(opening.protocols)))
    fields.append((TRANSPORT_HEADER, opening.transport))
    if opening.reason:
        fields.append((FALLBACK_HEADER, opening.reason))
    return fields


def _refusal(refused: Refused) -> exchanges.Reply:
    """Return Streamlit's refusal of a handshake in the form that pages get."""
    status = refused.answer.status if refused.answer.status in TITLES else 502
    return exchanges.problem(status, f"Streamlit answers {refused.answer.status}")


def _answer(
    reply: exchanges.Reply, start_response: StartResponse, extra: Headers | None = None
) -> Iterable[bytes]:
    headers = [
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
        *exchanges.HEADERS,
        *(extra or []),
    ]
    title = TITLES.get(reply.status, "OK")
    start_response(f"{reply.status} {title}", headers)
    return [reply.body]
