"""When an application begins to serve: with its server, or with the first request.

WSGI knows requests only (PEP 3333): no server says that it has started. So it's looked for around
this process while it loads the application. Where it can't be found, the first request has
Streamlit started.
"""

from __future__ import annotations

import sys
import threading
import typing as t

from ..bridges import serverlogs
from ..bridges.host import Host, call_in_workers, find_host
from ..bridges.stalls import prevent_stalls
from ..bridges.turns import call_around
from ..config.advice import enforce
from ..config.environment import is_pages_process
from ..config.target import find_target
from ..exceptions import TargetError
from .assembly import build_gateway

if t.TYPE_CHECKING:
    from ..api.websockets import WebSocketRoutes
    from ..config import FluxSyncSettings
    from ..typing import WSGIApplication
    from .application import Gateway


class Lifecycle:
    """Makes the gateway of one application in this process, and starts it. Thread-safe.

    :param application: The object that Streamlit's process has to import.
    :param import_target: How, if the program says so.
    :param api: From :func:`~fluxsync.api.mounting.mount_api`.
    :param websockets: The API's own.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        application: object,
        import_target: str | None,
        api: WSGIApplication,
        websockets: WebSocketRoutes,
    ) -> None:
        self._settings = settings
        self._application = application
        self._import_target = import_target
        self._api = api
        self._websockets = websockets
        self._lock = threading.Lock()
        #: The gateway, once something has been started or asked here.
        self.gateway: Gateway | None = None

    def join_server(self) -> None:
        """Begin with the server that is loading the application by itself, if one is.

        :raise StartRefused: The settings want a strict start, and something is advised against.
        """
        if find_host().target:
            # gunicorn app:app. Whoever else loads this calls start_with_server() afterwards.
            self.start_with_server()
        elif "waitress.runner" in sys.modules:
            # waitress-serve app:app. It sets up logging itself, once it has loaded this.
            serverlogs.configure(self._settings)
            enforce(self._settings)

    def replace_api(self, api: WSGIApplication) -> None:
        """Use another API.

        :raise ApiError: Requests have been answered already.
        """
        with self._lock:
            if self.gateway is not None:
                self.gateway.replace_api(api)
            self._api = api

    def start(self, host: Host | None = None) -> None:
        """Start Streamlit and the API now; see :meth:`fluxsync.FluxSync.start`.

        :param host: The WSGI server around this process; found out if not given.
        """
        gateway = self.begin(host)
        gateway.start()
        gateway.start_api()

    def start_with_server(self) -> None:
        """Start Streamlit with the server's workers; see
        :meth:`fluxsync.FluxSync.start_with_server`."""
        host = find_host()
        if self.gateway is not None or not (host.is_serving or host.forks_later):
            return
        try:
            gateway = self._get(host)
        except TargetError:
            return

        def start(worker: t.Any) -> None:
            if worker is None:
                serverlogs.configure(self._settings)
                gateway.start()
                gateway.loaded()
                return
            # gunicorn's. Heroku signals all processes of an application at once: a worker that
            # still has a request to end must not have Streamlit started for it.
            prevent_stalls(worker, self._settings.gateway_client_header_timeout_s)
            # The rest of the user's module has yet to be loaded; it may set up logging.
            call_around(worker, lambda: self.begin().start_api(), gateway.end_api)
            gateway.start(lambda: not worker.alive)

        if host.forks_later:
            call_in_workers(host, start)
        else:
            start(host.worker)

    def begin(self, host: Host | None = None) -> Gateway:
        """Set up logging and return the gateway, in a process that serves.

        :param host: The WSGI server around this process; found out if not given.
        """
        serverlogs.configure(self._settings)
        return self._get(host or find_host())

    def _get(self, host: Host) -> Gateway:
        with self._lock:
            if self.gateway is None:
                enforce(self._settings)
                self.gateway = build_gateway(
                    self._settings, self._api, self._target(host), host, self._websockets
                )
            return self.gateway

    def served_name(self) -> str | None:
        """Return what all processes of the application call it; ``None`` without a server."""
        host = find_host()
        if self.gateway is None and not (host.is_serving or is_pages_process()):
            return None
        return self._target(host)

    def _target(self, host: Host) -> str:
        settings = self._settings
        if settings.streamlit_script or settings.streamlit_upstream:
            return ""
        named = self._import_target or settings.app or host.target
        return named or find_target(self._application)
