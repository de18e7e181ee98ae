"""The gateway: a WSGI application that sends each request where it belongs."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..bridges.chunks import provide_input
from ..sansio import paths
from ..sansio.routing import Route
from ..telemetry.access import Exchange, LoggedBody
from ..telemetry.requestid import ENVIRON_KEY, HEADER, accept_request_id
from . import health, misplaced, script
from .assets import Assets
from .calls import CALL
from .delivery import ApiFile, client_socket, deliver
from .errors import Failure
from .handover import HandOver
from .opening import Opener
from .request import Request, RequestReader
from .streamlit import StreamlitProxy
from .tunnel import TunnelProxy
from .websocket import WebSocketProxy

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config import FluxSyncSettings
    from ..config.platform import Platform
    from ..process.client import SupervisorClient
    from ..typing import Headers, StartResponse, WSGIApplication, WSGIEnvironment


class Gateway:
    """Routes requests to the API, to Streamlit, or to fluxsync's own answers.

    Thread-safe, and safe to be made before a fork.

    :param api: WSGI application under the API's path.
    :param supervisor: This process's line to the supervisor.
    :param platform: The host around this process.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        api: WSGIApplication,
        supervisor: SupervisorClient,
        platform: Platform,
    ) -> None:
        self._settings = settings
        self._api = api
        self._supervisor = supervisor
        self._reader = RequestReader(settings, platform, lambda: supervisor.secret)
        self._hand_over = HandOver(settings, supervisor)
        self._public = urlsplit(settings.public_base_url)[:2] if settings.public_base_url else None
        public = (settings.public_base_url,) if settings.public_base_url else ()
        allowed = (*public, *settings.allowed_origins, *platform.origins)
        self._streamlit = StreamlitProxy(
            settings, supervisor.serving_table, self._hand_over, allowed
        )
        opener = Opener(settings, supervisor, allowed)
        self._websocket = WebSocketProxy(opener, self._hand_over)
        self._tunnel = TunnelProxy(settings, supervisor, opener)
        self._assets = Assets(settings, lambda: supervisor.table, self._streamlit)
        self._log = settings.enable_gateway_access_log

    def start(self, is_leaving: t.Callable[[], bool] = lambda: False) -> None:
        """Have a supervisor, and so Streamlit, started; at the latest, a request does.

        :param is_leaving: Whether this process takes no more requests.
        """
        self._supervisor.start(is_leaving)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        self._supervisor.start()
        provide_input(environ)
        try:
            request = self._reader.read(environ)
        except ValueError as e:
            return self._refuse(environ, str(e), start_response)
        respond = _recording(request.exchange, start_response)
        try:
            body = self._dispatch(request, respond)
        except Failure as failure:
            request.exchange.error = failure.detail
            body = failure.respond(respond, request)
        except BaseException as e:
            request.exchange.error = repr(e)
            request.exchange.status = 500
            if self._log:
                request.exchange.log()
            raise
        body = deliver(body, request, self._hand_over)
        if not self._log:
            return body
        if request.file is not None:
            # A server that's to send a file must see its own wrapper around it.
            request.file.exchange = request.exchange
            return body
        return LoggedBody(body, request.exchange)

    def _dispatch(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        route = request.route
        if route is Route.API:
            return self._api(self._api_environ(request), start_response)
        if CALL in request.environ:
            raise Failure(404, "pages can call the API here, and nothing else")
        if route is Route.WEBSOCKET:
            return self._websocket(request, start_response)
        if route is Route.STREAMLIT:
            if request.is_bare_root:
                return _add_slash(request, start_response)
            body = self._assets(request, start_response)
            return self._streamlit(request, start_response) if body is None else body
        if route is Route.TUNNEL:
            return self._tunnel(request, start_response)
        if route is Route.HEALTH:
            return health.health(start_response)
        if route is Route.READY:
            return health.ready(self._supervisor.table, start_response)
        if request.path == script.PATH:
            return script.respond(request, start_response)
        if route is Route.MISPLACED:
            raise misplaced.refuse(request)
        raise Failure(404, "there is nothing here")

    def _api_environ(self, request: Request) -> WSGIEnvironment:
        """Return the environ for the API: its mount, the truth about the client."""
        mount, client = self._settings.api_mount_path, request.client
        # A copy: the server reads its own again when it has sent the response.
        environ = request.environ.copy()
        for key in request.trust.lies(environ, client):
            del environ[key]
        environ["SCRIPT_NAME"] = request.root + mount
        environ["PATH_INFO"] = request.path[len(mount) :]
        environ["REMOTE_ADDR"] = client.address
        # What the settings say is so whatever Host a client or proxy makes up.
        scheme, host = self._public or (client.scheme, client.host)
        environ["wsgi.url_scheme"] = scheme
        if host:
            environ["HTTP_HOST"] = host
        environ["HTTP_X_REQUEST_ID"] = environ[ENVIRON_KEY] = request.request_id
        environ["fluxsync.root_path"] = request.root_path
        if request.user is not None:
            environ["REMOTE_USER"], environ["fluxsync.user"] = request.user.name, request.user
        if client_socket(environ) is not None:
            environ["wsgi.file_wrapper"] = ApiFile
        return environ

    def _refuse(
        self, environ: WSGIEnvironment, detail: str, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request that can't even be read."""
        exchange = Exchange(
            environ.get("REQUEST_METHOD", ""),
            environ.get("PATH_INFO", ""),
            "",
            accept_request_id(""),
            environ.get("REMOTE_ADDR", ""),
            error=detail,
        )
        body = Failure(400, detail).respond(_recording(exchange, start_response))
        return LoggedBody(body, exchange) if self._log else body


def _add_slash(request: Request, start_response: StartResponse) -> Iterable[bytes]:
    """Redirect to the root path's directory: Streamlit's page loads files relative to it."""
    location = paths.relative_reference(request.root, request.root + "/")
    if request.target.query:
        location += f"?{request.target.query}"
    start_response("307 Temporary Redirect", [("Location", location), ("Content-Length", "0")])
    return [b""]


def _recording(exchange: Exchange, start_response: StartResponse) -> StartResponse:
    """Return a ``start_response`` that notes the status and adds the request id."""

    def respond(status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        exchange.status = int(status[:3])
        has_id = False
        for name, value in headers:
            lowered = name.lower()
            if lowered == "x-request-id":
                has_id = True
            elif lowered == "content-length":
                exchange.length = int(value)
        if not has_id:
            headers = [*headers, (HEADER, exchange.request_id)]
        return (
            start_response(status, headers, exc_info)
            if exc_info
            else start_response(status, headers)
        )

    return t.cast("StartResponse", respond)
