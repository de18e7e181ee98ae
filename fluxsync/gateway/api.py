"""Call the API, with what is true about the client and within limits."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from ..api import mounting
from ..exceptions import ApiError
from ..telemetry import spans, tracing
from ..telemetry.requestid import ENVIRON_KEY, IdentifiedBody, current_request_id
from ..telemetry.tracers import tell
from .admission import find_places
from .apisockets import ApiSockets
from .bodies import Bodies
from .calls import CALL, in_callers_terms
from .delivery import ApiFile, client_socket

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..api.websockets import WebSocketRoutes
    from ..config import FluxSyncSettings
    from ..telemetry.metrics import Tally
    from ..typing import StartResponse, WSGIApplication, WSGIEnvironment
    from .opening import Opener
    from .request import Request


class ApiProxy:
    """Passes requests on to the API, and those for WebSockets to its handlers.

    Thread-safe, and safe to be made before a fork.

    :param api: WSGI application under the API's path.
    :param websockets: The API's own, under the same path.
    :param opener: Says which pages may open one.
    :param tally: Counts WebSockets.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        api: WSGIApplication,
        websockets: WebSocketRoutes | None,
        opener: Opener,
        tally: Tally | None,
    ) -> None:
        self._api = api
        self._mount = settings.api_mount_path
        self._patience = settings.graceful_timeout_s
        self._public = urlsplit(settings.public_base_url)[:2] if settings.public_base_url else None
        self._sockets = ApiSockets(settings, websockets, opener, tally)
        self._bodies = Bodies(settings)
        self._places = find_places(settings, "api_max_concurrent_requests")
        #: Whether a request may have been answered already.
        self.has_begun = False

    def replace(self, api: WSGIApplication) -> None:
        """Use another API.

        :raise ApiError: Requests have been answered already.
        """
        if self.has_begun:
            raise ApiError("api: requests have been answered; assign it before the first one")
        self._api = api

    def start(self) -> None:
        """Start an API that takes time for it; at the latest, a request does."""
        self.has_begun = True
        mounting.start_api(self._api)

    def end(self) -> None:
        """Close the API's WebSockets and end the API, as long as is graceful."""
        self._sockets.leave()
        mounting.end_api(self._api, self._patience)
        self._sockets.end()

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request with the API's answer.

        :raise Failure: There's no place for it, or it's too large.
        """
        if CALL in request.environ:
            start_response = in_callers_terms(start_response, request, self._mount, self._public)
            request.exchange.route = "call"
        exchange = request.exchange
        former = current_request_id.get()
        current_request_id.set(request.request_id)
        # As the request's span: nobody pays for spans that nobody wants.
        span = tracing.NOTHING
        if exchange.span.is_wanted:
            span = spans.begin_api(exchange, exchange.path[len(self._mount) :])
        try:
            if span.is_wanted:
                with span.current():
                    body = self._call(request, start_response)
            else:
                body = self._call(request, start_response)
        except BaseException as e:
            current_request_id.set(former)
            spans.drop_api(span, e)
            raise
        wrapper = request.environ.get("wsgi.file_wrapper")
        if isinstance(body, (ApiFile, wrapper) if isinstance(wrapper, type) else ApiFile):
            # No code of the application runs while it's sent, and the server looks at its type.
            current_request_id.set(former)
            spans.end_api(span, exchange)
            return body
        if span.is_wanted:
            body = spans.ApiBody(body, span, exchange)
        return IdentifiedBody(body, former)

    def _call(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        environ = self._environ(request)
        found = self._sockets.find(request)
        if found is not None:
            return self._sockets(request, found, environ, start_response)
        # A page's call is this application's own code.
        if self._places is not None and CALL not in environ:
            request.place = self._places.take()
        return self._bodies.call(self._api, environ, start_response)

    def _environ(self, request: Request) -> WSGIEnvironment:
        """Return the environ for the API: its mount, the truth about the client."""
        mount, client = self._mount, request.client
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
        if request.exchange.span.is_wanted:
            tell(environ)
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
