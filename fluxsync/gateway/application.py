"""The gateway: a WSGI application that sends each request where it belongs."""

from __future__ import annotations

import typing as t

from ..bridges.chunks import provide_input
from ..sansio import paths
from ..sansio.routing import Route
from ..telemetry import spans, tracing
from ..telemetry.access import Exchange
from ..telemetry.metrics import Tally
from ..telemetry.recorder import Recent, RecordedBody, Recorder
from ..telemetry.redaction import redact_path, redact_paths
from ..telemetry.requestid import (
    HEADER,
    accept_request_id,
)
from . import health, misplaced, script
from .admission import PlacedBody
from .api import ApiProxy
from .assets import Assets
from .calls import CALL
from .delivery import deliver
from .errors import Failure
from .guards import find_guards
from .handover import HandOver
from .opening import Opener
from .operations import Operations
from .request import Request, RequestReader
from .streamlit import StreamlitProxy
from .tunnel import TunnelProxy
from .unread import close_unread, has_body
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
        self._supervisor = supervisor
        self._reader = RequestReader(settings, platform, lambda: supervisor.secret)
        self._recorder = recorder = _make_recorder(settings)
        self._operations = Operations(settings, supervisor, recorder, platform)
        if recorder.tally is not None or recorder.recent is not None:
            supervisor.report = self._operations.report
        self._guards = find_guards(settings, self._operations.__contains__)
        self._hand_over = HandOver(settings, supervisor, recorder)
        public = (settings.public_base_url,) if settings.public_base_url else ()
        allowed = (*public, *settings.allowed_origins, *platform.origins)
        self._streamlit = StreamlitProxy(
            settings, supervisor.serving_table, self._hand_over, allowed
        )
        opener = Opener(settings, supervisor, allowed)
        self._api = ApiProxy(settings, api, websockets, opener, recorder.tally)
        self._websocket = WebSocketProxy(opener, self._hand_over)
        self._tunnel = TunnelProxy(settings, supervisor, opener, recorder)
        self._assets = Assets(settings, lambda: supervisor.table, self._streamlit)
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
        self._api.replace(api)

    def start_api(self) -> None:
        """Start an API that takes time for it; at the latest, a request does.

        Call it in the process that serves requests, when the user's modules are loaded.
        """
        self._api.start()
        self.loaded()

    def end_api(self) -> None:
        """Close the API's WebSockets and end the API, as long as is graceful."""
        self._api.end()

    def close(self) -> None:
        """Close idle connections to Streamlit; more requests open new ones."""
        self._streamlit.close()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if not self._api.has_begun:
            self._api.has_begun = True
            self.loaded()
        self._supervisor.start()
        provide_input(environ)
        try:
            request = self._reader.read(environ)
        except ValueError as e:
            return self._refuse(environ, str(e), start_response)
        exchange = request.exchange
        if self._recorder.is_active:
            self._recorder.begin(exchange)
        else:
            exchange.is_logged = False
        if not tracing.is_wanted():
            return self._answer(request, start_response)
        spans.begin_request(exchange, environ, request.client.scheme, request.route)
        with exchange.span.current():
            return self._answer(request, start_response)

    def _answer(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, and have its end recorded."""
        exchange, environ = request.exchange, request.environ
        respond = _recording(exchange, start_response)
        if self._guards is not None and CALL not in environ:
            respond = self._guards.protect(request, respond)
        try:
            body = self._dispatch(request, respond)
        except Failure as failure:
            request.leave_place()
            exchange.failure = failure.kind
            exchange.error = redact_paths(failure.detail)
            body = failure.respond(respond, request)
        except BaseException as e:
            request.leave_place()
            exchange.error, exchange.status = repr(e), 500
            self._recorder.end(exchange)
            raise
        if has_body(environ):
            close_unread(environ, start_response)
        body = deliver(body, request, self._hand_over)
        if request.place is not None:
            body = PlacedBody(body, request.place)
        if not (self._recorder.is_active or exchange.span.is_wanted):
            return body
        if request.file is not None:
            # A server that's to send a file must see its own wrapper around it.
            request.file.ends = exchange, self._recorder
            return body
        return RecordedBody(body, exchange, self._recorder)

    def _dispatch(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        route = request.route
        if self._guards is not None and CALL not in request.environ:
            answered = self._guards.answer(request, start_response)
            if answered is not None:
                return answered
        if request.path in self._operations and CALL not in request.environ:
            return self._operations(request, start_response)
        if route is Route.API:
            return self._api(request, start_response)
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

    def _refuse(
        self, environ: WSGIEnvironment, detail: str, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer a request that can't even be read."""
        exchange = Exchange(
            environ.get("REQUEST_METHOD", ""),
            redact_path(environ.get("PATH_INFO", "")),
            "",
            accept_request_id(""),
            environ.get("REMOTE_ADDR", ""),
            "malformed",
            error=detail,
        )
        self._recorder.begin(exchange)
        respond = _recording(exchange, start_response)
        if self._guards is not None:
            respond = self._guards.protect_unread(respond)
        body = Failure(400, detail).respond(respond)
        close_unread(environ, start_response)
        return RecordedBody(body, exchange, self._recorder)


def _make_recorder(settings: FluxSyncSettings) -> Recorder:
    tally = Tally() if settings.enable_gateway_prometheus_metrics else None
    recent = Recent() if settings.debug else None
    return Recorder(tally, recent, log=settings.enable_gateway_access_log)


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
