"""The application object that a user's module makes."""

from __future__ import annotations

import threading
import typing as t

from .api.application import create_api
from .bridges.host import Host, call_in_workers, find_host
from .bridges.stalls import prevent_stalls
from .config import FluxSyncSettings
from .config.target import find_target
from .exceptions import TargetError
from .gateway.assembly import build_gateway
from .pages.registry import PageRegistry
from .upstream.client import ApiClient

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from flask_openapi3.openapi import OpenAPI

    from .gateway.application import Gateway
    from .pages.registry import PageFunction, PageRecord
    from .typing import StartResponse, WSGIEnvironment

PageT = t.TypeVar("PageT", bound="t.Callable[..., t.Any]")


class FluxSync:
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
    :param settings: Settings; read from all sources if not given.
    :param import_target: How Streamlit's process imports this object, ``module:attribute``.
        Found by itself in most cases.
    :param streamlit_page_config: Arguments of ``st.set_page_config``, over those of the
        settings.
    :raise ConfigError: A setting is wrong.
    """

    def __init__(
        self,
        *,
        title: str | None = None,
        settings: FluxSyncSettings | None = None,
        import_target: str | None = None,
        streamlit_page_config: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        settings = settings or FluxSyncSettings()
        changes: dict[str, t.Any] = {}
        if title is not None:
            changes["title"] = title
        if streamlit_page_config:
            changes["streamlit_page_config"] = {
                **settings.streamlit_page_config,
                **streamlit_page_config,
            }
        #: The settings. They don't change.
        self.settings = settings.model_copy(update=changes)
        #: The API: a Flask application with OpenAPI.
        self.api: OpenAPI = create_api(self.settings.title, settings.api_mount_path)
        self._import_target = import_target
        self._pages = PageRegistry(settings.api_mount_path)
        self._lock = threading.Lock()
        self._gateway: Gateway | None = None
        if find_host().target:
            # gunicorn app:app. Whoever else loads this calls start_with_server() afterwards.
            self.start_with_server()

    def page(
        self, path: str, *, title: str | None = None, icon: str | None = None
    ) -> t.Callable[[PageT], PageT]:
        """Register a function as a Streamlit page; a decorator.

        The function is called on each rerun. Its parameters ``st`` and ``client`` get the
        :mod:`streamlit` module and an :class:`~fluxsync.ApiClient`.

        :param path: ``"/"`` for the default page, or ``"/name"``.
        :param title: Title in the navigation; made from the function's name if not given.
        :param icon: An emoji, or a Material icon as ``:material/home:``.
        :raise PageError: Streamlit can't serve it, or something else answers its path.
        """

        def register(function: PageT) -> PageT:
            self._pages.add(path, function, title, icon)
            return function

        return register

    @property
    def pages(self) -> list[tuple[str, str, PageFunction]]:
        """Path, title and function of each page, in the order of registration."""
        return [(record.path, record.title, record.function) for record in self._pages.records]

    @property
    def page_records(self) -> tuple[PageRecord, ...]:
        """The pages, in the order of registration."""
        return self._pages.records

    def get_client(self) -> ApiClient:
        """Return a client of the API, for code outside of pages."""
        return ApiClient()

    def start(self, host: Host | None = None) -> None:
        """Start Streamlit now, and not with the first request.

        Call it in the process that serves requests, after any fork.

        :param host: The WSGI server around this process; found out if not given.
        """
        self._get_gateway(host or find_host()).start()

    def start_with_server(self) -> None:
        """Start Streamlit with the server's workers, if it's a server that is loading this.

        Does nothing where that can't be known, and nothing yet where it's too early to know
        how Streamlit's process imports this object.
        """
        host = find_host()
        if self._gateway is not None or not (host.is_serving or host.forks_later):
            return
        try:
            gateway = self._get_gateway(host)
        except TargetError:
            return

        def start(worker: t.Any) -> None:
            if worker is None:
                gateway.start()
                return
            # gunicorn's. Heroku signals all processes of an application at once: a worker that
            # still has a request to end must not have Streamlit started for it.
            prevent_stalls(worker, self.settings.gateway_client_header_timeout_s)
            gateway.start(lambda: not worker.alive)

        if host.forks_later:
            call_in_workers(host, start)
        else:
            start(host.worker)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        gateway = self._gateway
        if gateway is None:
            gateway = self._get_gateway(find_host())
        return gateway(environ, start_response)

    def _get_gateway(self, host: Host) -> Gateway:
        with self._lock:
            if self._gateway is None:
                self._gateway = build_gateway(self.settings, self.api, self._target(host), host)
            return self._gateway

    def _target(self, host: Host) -> str:
        settings = self.settings
        if settings.streamlit_script or settings.streamlit_upstream:
            return ""
        return self._import_target or settings.app or host.target or find_target(self)
