"""Open WebSockets to Streamlit in a client's name, on whatever way the client came."""

from __future__ import annotations

import typing as t

from ..exceptions import UpstreamError
from ..sansio import origins
from ..upstream.websocket import Opened, Refused, open_websocket
from .errors import from_upstream, not_ready
from .streamlit import foreign_origin

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..process.client import SupervisorClient
    from ..sansio.balancing import Row
    from ..typing import Headers
    from .request import Request

#: Say to pages which way they came, why not on the usual one, and to which replica.
TRANSPORT_HEADER = "X-Fluxsync-Transport"
FALLBACK_HEADER = "X-Fluxsync-Fallback"
REPLICA_HEADER = "X-Fluxsync-Replica"


class Opener:
    """Says who may open a WebSocket, and opens it.

    Thread-safe.

    :param allowed: Origins that are welcome besides the one that was asked.
    """

    def __init__(
        self, settings: FluxSyncSettings, supervisor: SupervisorClient, allowed: t.Collection[str]
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._allowed = allowed

    def check_origin(self, request: Request) -> None:
        """Refuse foreign pages.

        :raise Failure: It's one.
        """
        origin = request.header("origin")
        if not origins.is_allowed(origin, request.client.host, self._allowed):
            raise foreign_origin(origin, request)

    def choose(self, request: Request) -> Row:
        """Return the replica for this client.

        :raise Failure: There's none.
        """
        table = self._supervisor.serving_table()
        row = request.choose(table)
        if row is None:
            raise not_ready(table)
        request.exchange.replica = row.id
        return row

    def open(self, request: Request, row: Row, target: str, fields: Headers) -> Opened | Refused:
        """Send the handshake to Streamlit.

        :param fields: End-to-end fields, ``Sec-WebSocket-*`` and :data:`TRANSPORT_HEADER` among
            them.
        :raise Failure: There's no answer, or one that isn't valid.
        """
        settings = self._settings
        assert row.port is not None
        authority = request.header("origin").partition("://")[2]
        try:
            return open_websocket(
                (row.host, row.port),
                target,
                # Streamlit compares the two to the letter, and looks up this machine's
                # external address, blocking all sessions, if they differ (1.67).
                authority or request.client.host,
                [*fields, (REPLICA_HEADER, row.id)],
                connect_timeout=settings.gateway_upstream_connect_timeout_s or None,
                open_timeout=settings.gateway_ws_open_timeout_s or None,
            )
        except UpstreamError as e:
            raise from_upstream(e) from e
