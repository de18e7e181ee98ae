"""The application object that a user's module makes."""

from __future__ import annotations

import contextlib
import typing as t

import typing_extensions as te

from .api.application import create_api
from .api.mounting import mount_api
from .api.websockets import WebSocketRoutes
from .auth.application import attach_login, make_bearer
from .bridges import mistakes
from .bridges.host import Host
from .config import FluxSyncSettings
from .exceptions import ApiError
from .gateway.lifecycle import Lifecycle
from .gateway.urls import FluxSyncPublicUrls
from .pages.application import PageApplication
from .pages.flags import FluxSyncFeatureFlags
from .sessions.context import SessionContext, using
from .sessions.opening import Sessions
from .sessions.store import SessionStore
from .telemetry.requestid import HEADER as REQUEST_ID_HEADER
from .telemetry.requestid import using_request_id
from .upstream.client import ApiClient, shared_client
from .upstream.ways import Way, environment_way

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Blueprint

    from .api.application import Api
    from .auth.jwt import JWTBearer
    from .auth.oidc import OIDCProvider
    from .typing import StartResponse, WSGIEnvironment

SettingsT = te.TypeVar("SettingsT", bound=FluxSyncSettings, default=FluxSyncSettings)
HandlerT = t.TypeVar("HandlerT", bound="t.Callable[..., object]")

# Before a user's module makes settings.
mistakes.shorten()


class FluxSync(PageApplication, t.Generic[SettingsT]):
    """An API and Streamlit pages; calling it is the WSGI application.

    .. code-block:: python

        app = FluxSync(title="Hello")

        @app.api.get("/users")
        def users():
            return ["Ada", "Grace"]

        @app.page("/", title="Home")
        def home(st, client):
            st.write(client.get("/users").json())

    Making one starts nothing, except where gunicorn is loading it: there, Streamlit starts
    with the worker instead of with the first request. With ``fluxsync.wsgi``, it does so under
    uWSGI, mod_wsgi and Passenger, too.

    :param title: Title of the API and of the pages; wins over the settings.
    :param settings: Settings; read from all sources if not given. They aren't changed.
    :param import_target: How Streamlit's process imports this object, ``module:attribute``.
        Found by itself in most cases.
    :param api: Flask, WSGI or ASGI application under the API's path; a new Flask application
        with OpenAPI if not given.
    :param flask_kwargs: Further arguments for that new one.
    :param streamlit_run_args: More options for ``streamlit run``, after those of the settings.
    :param streamlit_page_config: Arguments of ``st.set_page_config``, over those of the
        settings.
    :param session_store: Keeps URL sessions: a store, or a text as the setting has; the settings
        choose one if it's not given.
    :raise ConfigError: A setting is wrong.
    """

    settings: SettingsT

    def __init__(
        self,
        *,
        title: str | None = None,
        settings: SettingsT | None = None,
        import_target: str | None = None,
        api: t.Any = None,
        flask_kwargs: t.Mapping[str, t.Any] | None = None,
        streamlit_run_args: t.Sequence[str] = (),
        streamlit_page_config: t.Mapping[str, t.Any] | None = None,
        session_store: SessionStore | str | None = None,
    ) -> None:
        own: t.Any = settings or FluxSyncSettings()
        changes: dict[str, t.Any] = {}
        if title is not None:
            changes["title"] = title
        if streamlit_run_args:
            options = (*own.streamlit_run_cli_args, *streamlit_run_args)
            changes["streamlit_run_cli_args"] = options
        if isinstance(session_store, str):
            changes["session_store"], session_store = session_store, None
        if streamlit_page_config:
            config = {**own.streamlit_page_config, **streamlit_page_config}
            changes["streamlit_page_config"] = config
        super().__init__(
            own.with_values(**changes) if changes else own,
            {"st": _streamlit, "client": shared_client},
            {
                PageApplication: lambda: self,
                FluxSyncSettings: lambda: self.settings,
                ApiClient: shared_client,
                SessionStore: lambda: self.session_store,
                FluxSyncPublicUrls: lambda: self.urls,
                FluxSyncFeatureFlags: lambda: FluxSyncFeatureFlags.from_settings(self.settings),
            },
        )
        if self.settings.enable_opentelemetry:
            from .telemetry.opentelemetry import enable

            enable(self.settings.title, self.settings.source("enable_opentelemetry"))
        if api is None:
            mount = self.settings.api_mount_path
            api = create_api(self.settings.title, mount, flask_kwargs or {})
        elif flask_kwargs:
            raise ApiError("flask_kwargs: they are for the API that fluxsync makes; api is given")
        self._api = api
        #: The application's URLs, as browsers see them.
        self.urls = FluxSyncPublicUrls(self.settings, lambda: self._api)
        #: Paths and handlers of the API's WebSockets.
        self.websocket_routes = WebSocketRoutes()
        self._lifecycle = Lifecycle(
            self.settings, self, import_target, mount_api(api), self.websocket_routes
        )
        self._sessions = Sessions(self.settings, session_store, self._lifecycle.served_name)
        self._lifecycle.join_server()

    @property
    def api(self) -> Api:
        """The API: a Flask application with OpenAPI, or what was given.

        Another one may be assigned before the first request.
        """
        # Who gives another one has that by its own name and type.
        return t.cast("Api", self._api)

    @api.setter
    def api(self, api: t.Any) -> None:
        self._lifecycle.replace_api(mount_api(api))
        self._api = api

    def websocket(
        self, path: str, *, subprotocols: t.Sequence[str] = ()
    ) -> t.Callable[[HandlerT], HandlerT]:
        """Register a function as the handler of WebSockets; a decorator.

        It's called in a thread of its own, with a :class:`simple_websocket.Server` and what is
        in the path. When it returns, the WebSocket is closed.

        .. code-block:: python

            @app.websocket("/rooms/<int:room>")
            def chat(ws, room):
                while True:
                    ws.send(ws.receive())

        :param path: Below the API's mount, with Werkzeug's converters.
        :param subprotocols: What the handler speaks; the client's first one of them is chosen.
        :raise ApiError: The path or the function can't be used, or the path is taken.
        """

        def register(handler: HandlerT) -> HandlerT:
            return self.websocket_routes.add(path, handler, subprotocols)

        return register

    def get_client(self) -> ApiClient:
        """Return a client of the API, for code outside of pages: in the API itself, in scripts.

        It sends the id of the request that calls. In a process that neither serves this
        application nor was started by one that does, it calls the port of the settings.
        """
        return ApiClient.on_way(self._way)

    def _way(self) -> Way:
        gateway, settings = self._lifecycle.gateway, self.settings
        if gateway is not None and gateway.offer is not None:
            return gateway.offer.way()
        local = f"http://127.0.0.1:{settings.gateway_port}{settings.api_mount_path}"
        return environment_way() or Way(settings.internal_api_base or local)

    @property
    def session_store(self) -> SessionStore:
        """Keeps URL sessions; made when it's first used, and the same in all processes.

        :raise SessionError: A package is missing.
        :raise ConfigError: There can be no state directory.
        """
        return self._sessions.store

    def make_jwt_bearer(self) -> JWTBearer:
        """Return what checks the tokens of requests to the API, as the settings say.

        In Streamlit's process, which hasn't got the secrets, it refuses everything.

        :raise ConfigError: The settings don't say whose tokens are believed.
        :raise RuntimeError: The extra ``auth`` isn't installed.
        """
        return make_bearer(self.settings)

    def attach_oidc_login(
        self, oidc: OIDCProvider, *, first_party_secret: str | None = None, **overrides: t.Any
    ) -> Blueprint:
        """Add the routes of logins at an OpenID provider to the API.

        :param oidc: The provider, such as a :class:`~fluxsync.GenericOIDCClient`.
        :param first_party_secret: Signs tokens and cookies; the setting ``oidc_bff_secret`` if it's
            not given.
        :param overrides: Further arguments of :class:`~fluxsync.OIDCBFFConfig`.
        :return: The blueprint, which is registered.
        :raise ConfigError: There's no secret.
        :raise ValueError: It's the second call, an argument is wrong, or the API isn't Flask's.
        """
        return attach_login(
            self.api, self.settings, lambda: self.session_store, oidc, first_party_secret, overrides
        )

    def start(self, host: Host | None = None) -> None:
        """Start Streamlit now, and not with the first request.

        Call it in the process that serves requests, after any fork.

        :param host: The WSGI server around this process; found out if not given.
        """
        self._lifecycle.start(host)

    def start_with_server(self) -> None:
        """Start Streamlit with the server's workers, if it's a server that is loading this.

        Does nothing where that can't be known, and nothing yet where it's too early to know
        how Streamlit's process imports this object.
        """
        self._lifecycle.start_with_server()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        gateway = self._lifecycle.gateway or self._lifecycle.begin()
        return gateway(environ, start_response)

    @contextlib.contextmanager
    def in_page(self) -> t.Iterator[None]:
        """Make the application the one of this run of a page."""
        headers = _streamlit().context.headers
        request_id = str(headers.get(REQUEST_ID_HEADER) or "")
        with using(SessionContext.of(self.settings)), using_request_id(request_id):
            yield


def _streamlit() -> t.Any:
    import streamlit

    return streamlit
