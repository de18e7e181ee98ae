"""The gateway: a WSGI application that sends each request where it belongs."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..api import mounting
from ..bridges.chunks import provide_input
from ..exceptions import ApiError
from ..sansio import paths
from ..sansio.routing import Route
from ..telemetry.access import Exchange, LoggedBody
from ..telemetry.requestid import (
    ENVIRON_KEY,
    HEADER,
    IdentifiedBody,
    accept_request_id,
    current_request_id,
)
from . import health, misplaced, script
from .apisockets import ApiSockets
from .assets import Assets
from .calls import CALL, in_callers_terms
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

    from ..api.websockets import WebSocketRoutes
    from ..config import FluxSyncSettings
    from ..config.platform import Platform
    from ..process.client import SupervisorClient
    from ..typing import Headers, StartResponse, WSGIApplication, WSGIEnvironment
    from ..upstream.ways import Offer


class Gateway:
    """Routes requests to the API, to Streamlit, or to fluxsync's own answers.

    Thread-safe, and safe to be made before a fork.

    :param api: WSGI application under the API's path.
    :param supervisor: This process's line to the supervisor.
    :param platform: The host around this process.
    :param websockets: The API's own, under the same path.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        api: WSGIApplication,
        supervisor: SupervisorClient,
        platform: Platform,
        websockets: WebSocketRoutes | None = None,
    ) -> None:
        self._settings = settings
        self._api = api
        self._has_begun = False
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
        self._api_sockets = ApiSockets(settings, websockets, opener)
        self._websocket = WebSocketProxy(opener, self._hand_over)
        self._tunnel = TunnelProxy(settings, supervisor, opener)
        self._assets = Assets(settings, lambda: supervisor.table, self._streamlit)
        self._log = settings.enable_gateway_access_log
        #: How this process's own code calls the API.
        self.offer: Offer | None = None
        #: Called when the application is loaded.
        self.loaded: t.Callable[[], None] = lambda: None

    def start(self, is_leaving: t.Callable[[], bool] = lambda: False) -> None:
        """Have a supervisor, and so Streamlit, started; at the latest, a request does.

        :param is_leaving: Whether this process takes no more requests.
        """
        self._supervisor.start(is_leaving)

    def replace_api(self, api: WSGIApplication) -> None:
        """Use another API.

        :raise ApiError: Requests have been answered already.
        """
        if self._has_begun:
            raise ApiError("api: requests have been answered; assign it before the first one")
        self._api = api

    def start_api(self) -> None:
        """Start an API that takes time for it; at the latest, a request does.

        Call it in the process that serves requests, when the user's modules are loaded.
        """
        self._has_begun = True
        mounting.start_api(self._api)
        self.loaded()

    def end_api(self) -> None:
        """Close the API's WebSockets and end the API, as long as is graceful."""
        self._api_sockets.leave()
        mounting.end_api(self._api, self._settings.graceful_timeout_s)
        self._api_sockets.end()

    def close(self) -> None:
        """Close idle connections to Streamlit; more requests open new ones."""
        self._streamlit.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if not self._has_begun:
            self._has_begun = True
            self.loaded()
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
            return self._call_api(request, start_response)
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

    def _call_api(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        if CALL in request.environ:
            mount = self._settings.api_mount_path
            start_response = in_callers_terms(start_response, request, mount, self._public)
            request.exchange.route = "call"
        former = current_request_id.get()
        current_request_id.set(request.request_id)
        try:
            environ = self._api_environ(request)
            found = self._api_sockets.find(request)
            if found is None:
                body = self._api(environ, start_response)
            else:
                body = self._api_sockets(request, found, environ, start_response)
        except BaseException:
            current_request_id.set(former)
            raise
        wrapper = request.environ.get("wsgi.file_wrapper")
        if isinstance(body, (ApiFile, wrapper) if isinstance(wrapper, type) else ApiFile):
            # No code of the application runs while it's sent, and the server looks at its type.
            current_request_id.set(former)
            return body
        return IdentifiedBody(body, former)

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
        if environ.get("CONTENT_LENGTH"):
            # gunicorn's input just ends where a client breaks off. Unless it's called complete,
            # Werkzeug counts, and such a body is refused.
            environ.pop("wsgi.input_terminated", None)
        # What the settings say is so whatever Host a client or proxy makes up.
        scheme, host = self._public or (client.scheme, client.host)
        environ["wsgi.url_scheme"] = scheme
        environ["fluxsync.scheme"] = client.scheme
        if host:
            environ["HTTP_HOST"] = host
        environ["HTTP_X_REQUEST_ID"] = environ[ENVIRON_KEY] = request.request_id
        environ["fluxsync.root_path"] = request.root_path
        environ["fluxsync.cookie_path"] = request.cookie_root or "/"
        environ["fluxsync.peer"] = request.environ.get("REMOTE_ADDR", "")
        # A page's call has no address. It isn't a proxy's, even if those of this machine are.
        environ["fluxsync.via_trusted"] = client.via_trusted and CALL not in environ
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
