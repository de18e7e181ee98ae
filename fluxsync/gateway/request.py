"""One incoming request: what the environ says, read once."""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ..bridges.sockets import connection_scheme
from ..sansio import balancing, exchanges, forwarding, handshake, paths, rootpath, routing
from ..sansio import headers as _headers
from ..sansio.forwarding import Trust
from ..sansio.routing import Route
from ..telemetry.access import Exchange
from ..telemetry.requestid import accept_request_id

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..sansio.forwarding import Client
    from ..sansio.paths import Target
    from ..typing import Headers, WSGIEnvironment
    from .files import OpenFile

#: Cookies that are between the gateway and the browser; Streamlit doesn't see them.
_OWN_COOKIES = (balancing.COOKIE, exchanges.COOKIE)


@dataclasses.dataclass(slots=True)
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
    client: Client
    exchange: Exchange
    trust: Trust
    #: The file that the server sends as the answer, and whose end it tells nobody else.
    file: OpenFile | None = None

    @property
    def request_id(self) -> str:
        """Id of this request in logs, headers, and for the API and Streamlit."""
        return self.exchange.request_id

    def header(self, name: str) -> str:
        """Return a header field, or ``""``."""
        return t.cast(str, self.environ.get(_headers.environ_key(name), ""))

    @property
    def headers(self) -> Headers:
        """All header fields that came."""
        return _headers.from_environ(self.environ)

    @property
    def replica(self) -> str:
        """The replica that this browser has been with, or ``""``."""
        return _headers.cookie_value(self.header("cookie"), balancing.COOKIE)

    def set_cookie(self, name: str, value: str) -> tuple[str, str]:
        """Return the field that gives the browser a cookie for all of the application."""
        secure = "; Secure" if self.client.scheme == "https" else ""
        path = self.root or "/"
        return "Set-Cookie", f"{name}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}"

    def choose(self, table: balancing.Table) -> balancing.Row | None:
        """Return the replica for this request, or ``None``."""
        spread = random.getrandbits(16)
        return balancing.choose(table, self.replica, spread)

    def forwarded_headers(self) -> Headers:
        """Return the fields for Streamlit: end-to-end ones, without lies, with the truth."""
        fields = self.trust.forwarded(self.environ, self.client)
        for cookie in _OWN_COOKIES:
            if cookie in self.header("cookie"):
                fields = _headers.without_cookie(fields, cookie)
        return fields + forwarding.added(self.client, self.root, self.request_id)


class RequestReader:
    """Makes :class:`Request` objects, with what the settings say worked out once."""

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._root_path = settings.root_path
        self._api_mount = settings.api_mount_path
        own = {settings.gateway_csp_nonce_header} - {""}
        self._trust = Trust(settings.trusted_networks, settings.identity_headers, own)

    def read(self, environ: WSGIEnvironment) -> Request:
        """Read a request.

        :raise ValueError: The request target can't be understood.
        """
        client = self._client(environ)
        root = rootpath.find(self._root_path, environ.get("SCRIPT_NAME", ""))
        whole = _target(environ)
        path = paths.without_root(paths.normalize(whole.path), root)
        route = routing.route(path, self._api_mount)
        upgrade = environ.get("HTTP_UPGRADE")
        if upgrade and route is Route.STREAMLIT and handshake.is_upgrade([("upgrade", upgrade)]):
            route = Route.WEBSOCKET
        method = environ["REQUEST_METHOD"]
        exchange = Exchange(
            method,
            path,
            whole.query or "",
            accept_request_id(environ.get("HTTP_X_REQUEST_ID", "")),
            client.address,
            route.value,
        )
        return Request(
            environ,
            method,
            whole._replace(path=paths.without_root(whole.path, root)) if root else whole,
            path,
            root,
            bool(root) and whole.path == root,
            route,
            client,
            exchange,
            self._trust,
        )

    def _client(self, environ: WSGIEnvironment) -> Client:
        def field(name: str) -> str:
            return t.cast(str, environ.get(_headers.environ_key(name), ""))

        # A peer on a Unix socket has no address, and is on this machine.
        peer = environ.get("REMOTE_ADDR") or "127.0.0.1"
        return forwarding.resolve(peer, connection_scheme(environ), field, self._trust.is_trusted)


def _target(environ: WSGIEnvironment) -> Target:
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw:
        return paths.parse_target(raw)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return paths.target_from_path_info(path, environ.get("QUERY_STRING", ""))
