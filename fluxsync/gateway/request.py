"""One incoming request: what the environ says, read once."""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ..bridges.sockets import connection_scheme
from ..sansio import balancing, forwarding, handshake, paths, rootpath, routing
from ..sansio import headers as _headers
from ..sansio.routing import Route
from ..telemetry.access import Exchange
from ..telemetry.requestid import accept_request_id

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..sansio.forwarding import Client, Network
    from ..sansio.paths import Target
    from ..typing import Headers, WSGIEnvironment


@dataclasses.dataclass
class Request:
    """A request, as all parts of the gateway see it."""

    environ: WSGIEnvironment
    method: str
    #: What the client asked for, to the byte, the root path removed if it was there.
    target: Target
    #: Path to decide on, normalized, the root path removed.
    path: str
    root: str
    #: Whether it is for the root path itself, without the slash that makes it a directory.
    is_bare_root: bool
    route: Route
    #: All header fields that came.
    headers: Headers
    client: Client
    exchange: Exchange

    @property
    def request_id(self) -> str:
        """Id of this request in logs, headers, and for the API and Streamlit."""
        return self.exchange.request_id

    def header(self, name: str) -> str:
        """Return a header field, or ``""``."""
        return _headers.get(self.headers, name)

    @property
    def replica(self) -> str:
        """The replica that this browser has been with, or ``""``."""
        return _headers.cookie_value(self.header("cookie"), balancing.COOKIE)

    def choose(self, table: balancing.Table) -> balancing.Row | None:
        """Return the replica for this request, or ``None``."""
        spread = random.getrandbits(16)
        return balancing.choose(table, self.replica, spread)

    def forwarded_headers(self, settings: FluxSyncSettings) -> Headers:
        """Return the fields for Streamlit: end-to-end ones, without lies, with the truth."""
        fields = forwarding.believed(
            _headers.end_to_end(self.headers), self.client, settings.identity_headers
        )
        fields = _headers.without_cookie(fields, balancing.COOKIE)
        return fields + forwarding.added(self.client, self.root, self.request_id)


class RequestReader:
    """Makes :class:`Request` objects, with what the settings say worked out once."""

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._root_path = settings.root_path
        self._api_mount = settings.api_mount_path
        self._networks: tuple[Network, ...] = settings.trusted_networks

    def read(self, environ: WSGIEnvironment) -> Request:
        """Read a request.

        :raise ValueError: The request target can't be understood.
        """
        headers = _headers.from_environ(environ)
        # A peer on a Unix socket has no address, and is on this machine.
        peer = environ.get("REMOTE_ADDR") or "127.0.0.1"
        client = forwarding.resolve(peer, connection_scheme(environ), headers, self._networks)
        root = rootpath.find(self._root_path, environ.get("SCRIPT_NAME", "")).path
        whole = _target(environ)
        raw = paths.split_root(whole.path, root)
        path = paths.split_root(paths.normalize(whole.path), root).path
        route = routing.route(path, self._api_mount)
        if route is Route.STREAMLIT and handshake.is_upgrade(headers):
            route = Route.WEBSOCKET
        method = environ["REQUEST_METHOD"]
        exchange = Exchange(
            method,
            path,
            whole.query or "",
            accept_request_id(_headers.get(headers, "x-request-id")),
            client.address,
            route.value,
        )
        return Request(
            environ=environ,
            method=method,
            target=whole._replace(path=raw.path),
            path=path,
            root=root,
            is_bare_root=bool(root) and whole.path == root,
            route=route,
            headers=headers,
            client=client,
            exchange=exchange,
        )


def _target(environ: WSGIEnvironment) -> Target:
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw:
        return paths.parse_target(raw)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return paths.target_from_path_info(path, environ.get("QUERY_STRING", ""))
