"""Leave requests whose bodies come slowly to the relay, so that no thread waits for them."""

from __future__ import annotations

import typing as t

from ..bridges import sockets
from ..exceptions import UpstreamError
from ..sansio import http1
from ..sansio.relayed import Context
from ..upstream.connections import open_socket
from .delivery import gunicorn_socket
from .errors import Failure, from_upstream

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..sansio.balancing import Row
    from ..typing import StartResponse
    from .handover import HandOver
    from .request import Request


class SlowUploads:
    """Hands over requests for Streamlit whose body isn't there yet.

    Thread-safe.
    """

    def __init__(self, settings: FluxSyncSettings, hand_over: HandOver) -> None:
        self._connect_timeout = settings.gateway_upstream_connect_timeout_s or None
        self._hand_over = hand_over

    def leave(
        self,
        request: Request,
        row: Row,
        length: int,
        start_response: StartResponse,
    ) -> Iterable[bytes] | None:
        """Leave a request to the relay, or return ``None`` if it's answered here.

        :param length: The body's, in bytes.
        :raise Failure: Streamlit can't be reached, or would read something else.
        """
        client = gunicorn_socket(request.environ)
        # A response of unknown length needs HTTP/1.1.
        if client is None or request.environ["SERVER_PROTOCOL"] != "HTTP/1.1":
            return None
        if sockets.bytes_at_hand(request.environ, client) >= length:
            return None
        # The connection serves this request only, and its end is the response's.
        fields = [
            ("Host", request.client.host),
            *request.forwarded_headers(),
            ("Content-Length", str(length)),
            ("Connection", "close"),
        ]
        try:
            head = http1.request_head(request.method, str(request.target), fields)
            assert row.port is not None
            upstream = open_socket((row.host, row.port), self._connect_timeout)
        except ValueError as e:
            raise Failure(400, str(e)) from e
        except UpstreamError as e:
            raise from_upstream(e) from e
        context = Context(
            request_id=request.request_id,
            method=request.method,
            path=request.target.path,
            root=request.root,
            authorities=(request.client.host, f"{row.host}:{row.port}"),
            added=request.added,
        )
        with upstream:
            early = sockets.early_bytes(request.environ, client)[:length]
            self._hand_over.upload(
                request, context, client, upstream, length - len(early), head + early
            )
        # For the server's log; its connection is dead.
        start_response("202 Accepted", [("Content-Length", "0")])
        return [b""]
