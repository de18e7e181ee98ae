"""One incoming request: what the environ says, read once."""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ..bridges.sockets import connection_scheme, server_mount
from ..sansio import (
    balancing,
    exchanges,
    forwarding,
    handshake,
    identity,
    paths,
    rootpath,
    routing,
)
from ..sansio import headers as _headers
from ..sansio.protection import NOTHING, Added
from ..sansio.routing import Route
from ..sansio.trust import Trust
from ..telemetry.access import Exchange
from ..telemetry.redaction import redact_parameter, redact_path
from ..telemetry.requestid import accept_request_id
from ..telemetry.tracers import with_propagated

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..config.platform import Platform
    from ..sansio.forwarding import Client
    from ..sansio.identity import User
    from ..sansio.paths import Target
    from ..sansio.rootpath import RootPath
    from ..typing import Headers, WSGIEnvironment
    from .admission import Place
    from .files import OpenFile

#: What Posit Connect tells the application.
_CONNECT_FIELDS = (
    rootpath.CONNECT_BASE,
    rootpath.CONNECT_REQUEST,
    identity.CONNECT_CREDENTIALS,
    "posit-connect-user-session-token",
)

#: Cookies that are between the gateway and the browser; Streamlit doesn't see them.
_OWN_COOKIES = (balancing.COOKIE, exchanges.COOKIE, routing.REDIRECTS_COOKIE)


@dataclasses.dataclass(slots=True)
class Request:
    """A request, as all parts of the gateway see it."""

    environ: WSGIEnvironment
    method: str
    #: What the client asked for, to the byte, the root path removed if it was there.
    target: Target
    #: Path to decide on, normalized, the root path removed.
    path: str
    root_path: RootPath
    #: Root path for cookies; empty where browsers may see another one.
    cookie_root: str
    #: Whether it is for the root path itself, without the slash that makes it a directory.
    is_bare_root: bool
    route: Route
    client: Client
    exchange: Exchange
    trust: Trust
    #: The user, if the host has logged one in.
    user: User | None = None
    #: Ends the names of the fields that tell Streamlit about the user.
    user_secret: str = ""
    #: The file that the server sends as the answer, and whose end it tells nobody else.
    file: OpenFile | None = None
    #: What its answer gets besides what whoever answers says.
    added: Added = NOTHING
    #: The nonce of the answer's policy, if it has one.
    nonce: str = ""
    #: Its place among those that are answered at once, if there's a limit.
    place: Place | None = None

    @property
    def root(self) -> str:
        """Root path: ``""`` or ``"/a/b"``."""
        return self.root_path.path

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

    def leave_place(self) -> None:
        """Give its place back, if it has one."""
        if self.place is not None:
            self.place.leave()
            self.place = None

    def set_cookie(self, name: str, value: str) -> tuple[str, str]:
        """Return the field that gives the browser a cookie for all of the application."""
        secure = "; Secure" if self.client.scheme == "https" else ""
        path = self.cookie_root or "/"
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
        if self.user is not None:
            fields += identity.streamlit_fields(self.user, self.user_secret)
        fields += forwarding.added(self.client, self.root, self.request_id)
        return with_propagated(fields)


class RequestReader:
    """Makes :class:`Request` objects, with what the settings say worked out once.

    :param user_secret: Returns :attr:`Request.user_secret`.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        platform: Platform,
        user_secret: t.Callable[[], str] = str,
    ) -> None:
        self._user_secret = user_secret
        self._api_mount = settings.api_mount_path
        self._session_param = settings.url_session_query_param
        self._is_connect = platform.is_connect
        self._roots = rootpath.Rules(
            settings.root, platform.guesses, on_connect=platform.is_connect
        )
        own = {settings.gateway_csp_nonce_header} - {""}
        host = _CONNECT_FIELDS if platform.is_connect else ()
        self._trust = Trust(settings.trusted_networks, settings.identity_headers, own, host)

    def read(self, environ: WSGIEnvironment) -> Request:
        """Read a request.

        :raise ValueError: The request target can't be understood.
        """

        def field(name: str) -> str:
            return t.cast(str, environ.get(_headers.environ_key(name), ""))

        # A peer on a Unix socket has no address, and is on this machine.
        peer = environ.get("REMOTE_ADDR") or "127.0.0.1"
        is_trusted = self._trust.is_trusted
        client = forwarding.resolve(peer, connection_scheme(environ), field, is_trusted)
        whole = _target(environ)
        normalized = paths.normalize(whole.path)
        believed = self._is_connect or client.via_trusted
        script_name = server_mount(environ, believed=believed)
        found = self._roots.find(normalized, script_name, field, client.proxies)
        root = found.path
        # What is a path of the application as well is gone already, or nobody could reach that.
        is_gone = found.rule != "SCRIPT_NAME" and rootpath.hides(root, self._api_mount)
        left = "" if is_gone else root
        path = paths.without_root(normalized, left)
        route = routing.route(path, self._api_mount)
        upgrade = environ.get("HTTP_UPGRADE")
        if upgrade and route is Route.STREAMLIT and handshake.is_upgrade([("upgrade", upgrade)]):
            route = Route.WEBSOCKET
        method = environ["REQUEST_METHOD"]
        exchange = Exchange(
            method,
            redact_path(path),
            redact_parameter(whole.query or "", self._session_param),
            accept_request_id(environ.get("HTTP_X_REQUEST_ID", "")),
            client.address,
            route.value,
        )
        return Request(
            environ,
            method,
            whole._replace(path=paths.without_root(whole.path, left)) if left else whole,
            path,
            found,
            # Posit Connect puts its mount in front of cookies' paths by itself.
            root if found.is_certain and not self._is_connect else "",
            bool(left) and whole.path == left,
            route,
            client,
            exchange,
            self._trust,
            *self._user(field),
        )

    def _user(self, field: t.Callable[[str], str]) -> tuple[User | None, str]:
        if not self._is_connect:
            return None, ""
        return identity.from_connect(field(identity.CONNECT_CREDENTIALS)), self._user_secret()


def _target(environ: WSGIEnvironment) -> Target:
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw:
        return paths.parse_target(raw)
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return paths.target_from_path_info(path, environ.get("QUERY_STRING", ""))
