"""An application as its users would find it, without a server, a process, or a thread."""

from __future__ import annotations

import copy
import typing as t

from ..api.mounting import mount_api
from ..app import FluxSync
from ..config.platform import Platform
from ..exceptions import ConfigError
from ..gateway.application import Gateway
from ..gateway.calls import CALL
from ..sansio import rootpath
from ..sansio.paths import normalize_mount
from ..upstream.calls import CALLS_URL
from ..upstream.client import ApiClient
from ..upstream.inprocess import InProcessAdapter
from . import apptest
from .mounted import MountedClient
from .script import SCRIPT
from .standin import StandIn

if t.TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from streamlit.testing.v1 import AppTest
    from werkzeug.test import Client, TestResponse

    from ..process.client import SupervisorClient
    from ..typing import StartResponse, WSGIEnvironment
    from .fakestreamlit import FakeStreamlit

#: Seconds that a run of a page may take: the first one imports what the page needs.
_TIMEOUT = 30.0


class FluxSyncTestClient:
    """Sends requests to an application, and runs its pages.

    Requests go through the gateway as in production. Nothing is started, written or asked
    over the network: whoever asks for what is Streamlit's gets 503, or the answer of the server
    that is given in its place.

    A context manager. Without one, an ASGI application's lifespan begins with the first request,
    and :meth:`close` ends it.

    :param app: The application.
    :param api_prefix: Path of the API; as in the settings if not given.
    :param root_mount: Path under which the WSGI server has the application, as with
        :meth:`with_root_path`.
    :param streamlit_upstream: A :class:`FakeStreamlit`, or the URL of a server, in the place of
        Streamlit.
    :raise ConfigError: A path or URL is wrong, or goes ill with the settings.
    """

    def __init__(
        self,
        app: FluxSync,
        api_prefix: str | None = None,
        root_mount: str = "",
        *,
        streamlit_upstream: FakeStreamlit | str = "",
    ) -> None:
        if not isinstance(app, FluxSync):
            raise TypeError(f"app={app!r}: expected a FluxSync application")
        self.app = app
        # Its own would have answers kept on disk, and is for processes that are started.
        changes: dict[str, t.Any] = {"streamlit_upstream": ()}
        if api_prefix is not None:
            changes["api_mount_path"] = api_prefix
        self._settings = app.settings.with_values(**changes)
        self.api_prefix = self._settings.api_mount_path
        self.root_mount = self._root(root_mount)
        given = streamlit_upstream
        supervisor = StandIn(given if isinstance(given, str) else given.url)
        #: The WSGI application that answers.
        self.wsgi = Gateway(
            self._settings,
            mount_api(app.api),
            t.cast("SupervisorClient", supervisor),
            Platform(),
            app.websocket_routes,
        )

    def __enter__(self) -> FluxSyncTestClient:
        self.wsgi.start_api()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End what an ASGI application has started, and close idle connections."""
        self.wsgi.end_api()
        self.wsgi.close()

    def with_root_path(self, root_path: str) -> FluxSyncTestClient:
        """Return this client, with the application under another path of the WSGI server.

        As in mod_wsgi or a Posit product: ``SCRIPT_NAME`` is this path. It's the same gateway,
        so closing one of the two is enough.

        :raise ConfigError: It's no path, or another one than the settings say.
        """
        other = copy.copy(self)
        other.root_mount = self._root(root_path)
        return other

    @property
    def http(self) -> Client:
        """A new :class:`werkzeug.test.Client` of all of the application, with its own cookies."""
        return MountedClient(self.wsgi, self.root_mount, "", self._adapter())

    @property
    def api(self) -> Client:
        """A new :class:`werkzeug.test.Client` of the API, with its own cookies.

        ``get("/users")`` is ``GET /api/users``, and so is ``get("/api/users")``.
        """
        return MountedClient(self.wsgi, self.root_mount, self.api_prefix, self._adapter())

    def api_get(self, path: str, *, root_path: str | None = None, **kwargs: t.Any) -> TestResponse:
        """Send GET; see :meth:`api`.

        :param root_path: See :meth:`with_root_path`; for this request.
        :param kwargs: Arguments of :class:`werkzeug.test.EnvironBuilder`.
        """
        return self._call("GET", path, root_path, kwargs)

    def api_post(self, path: str, *, root_path: str | None = None, **kwargs: t.Any) -> TestResponse:
        """Send POST, as :meth:`api_get`."""
        return self._call("POST", path, root_path, kwargs)

    def api_put(self, path: str, *, root_path: str | None = None, **kwargs: t.Any) -> TestResponse:
        """Send PUT, as :meth:`api_get`."""
        return self._call("PUT", path, root_path, kwargs)

    def api_patch(
        self, path: str, *, root_path: str | None = None, **kwargs: t.Any
    ) -> TestResponse:
        """Send PATCH, as :meth:`api_get`."""
        return self._call("PATCH", path, root_path, kwargs)

    def api_delete(
        self, path: str, *, root_path: str | None = None, **kwargs: t.Any
    ) -> TestResponse:
        """Send DELETE, as :meth:`api_get`."""
        return self._call("DELETE", path, root_path, kwargs)

    def _call(
        self, method: str, path: str, root_path: str | None, kwargs: t.Mapping[str, t.Any]
    ) -> TestResponse:
        client = self if root_path is None else self.with_root_path(root_path)
        return client.api.open(path, method=method, **kwargs)

    def openapi(self) -> dict[str, t.Any]:
        """Return the API's OpenAPI document.

        :raise TypeError: It isn't there, or isn't a JSON object.
        """
        response = self.api_get("/openapi.json")
        document = response.get_json(silent=True)
        if response.status_code != 200 or not isinstance(document, dict):
            raise TypeError(f"GET /openapi.json: {_told(response)}, and not a JSON object")
        return document

    def assert_docs_available(self, *, root_path: str | None = None) -> None:
        """Fail if there's no OpenAPI document, or no page that shows it at ``/docs``."""
        __tracebackhide__ = True
        response = self.api_get("/openapi.json", root_path=root_path)
        document = response.get_json(silent=True)
        if response.status_code != 200 or not isinstance(document, dict):
            raise AssertionError(f"GET /openapi.json: {_told(response)}")
        if "openapi" not in document:
            raise AssertionError("GET /openapi.json: not an OpenAPI document")
        response = self.api_get("/docs", root_path=root_path)
        if response.status_code not in (200, 307, 308):
            raise AssertionError(f"GET /docs: {_told(response)}")

    def client(self, **kwargs: t.Any) -> ApiClient:
        """Return a client of the API, as pages get it, which calls the API in this process.

        :param kwargs: Further arguments of :class:`~fluxsync.ApiClient`.
        """
        adapter = self._adapter()
        return ApiClient(adapter.base_url, adapter=adapter, **kwargs)

    def streamlit(
        self,
        *,
        target: str | None = None,
        extra_sys_path: str | os.PathLike[str] | None = None,
        query_params: t.Mapping[str, str | t.Sequence[str]] | None = None,
        page_overrides: t.Mapping[str, t.Any] | None = None,
        session_state: t.Mapping[str, t.Any] | None = None,
        secrets: t.Mapping[str, t.Any] | None = None,
        timeout: float | None = None,
        run: bool = True,
    ) -> AppTest:
        """Run the application's pages, and return what they show.

        The pages' calls reach the API in this process. That and the overrides count for later
        runs of the returned object, too.

        :param target: Import target of the application to show, as in production; this one if
            not given.
        :param extra_sys_path: Directory to import it from.
        :param query_params: The URL's query; ``{"page": "/reports"}`` goes to that page.
        :param page_overrides: Values for ``Query``, ``Header`` and ``Cookie`` parameters, by
            the names of the parameters.
        :param session_state: ``st.session_state`` before the first run.
        :param secrets: ``st.secrets``.
        :param timeout: Seconds that each run may take; 30 if not given.
        :param run: Whether to run it now; else what is returned can be set up further first.
        :raise RuntimeError: A run has taken longer.
        """
        # Streamlit takes a second to import, which tests of an API needn't wait for.
        from .surroundings import PageTest, Surroundings

        at = PageTest(SCRIPT, default_timeout=timeout or _TIMEOUT)
        at.surroundings = Surroundings(
            self.app, self._adapter(), target or "", str(extra_sys_path or ""), page_overrides or {}
        )
        at.query_params.update(query_params or {})
        at.secrets.update(secrets or {})
        for name, value in (session_state or {}).items():
            at.session_state[name] = value
        return at.run() if run else at

    def select_page(self, at: AppTest, page: str, *, timeout: float | None = None) -> AppTest:
        """Go to another page; see :func:`apptest_select_page`."""
        return apptest.apptest_select_page(at, page, timeout=timeout)

    def assert_no_streamlit_exception(self, at: AppTest) -> None:
        """Fail if the last run has shown an exception or an error."""
        __tracebackhide__ = True
        apptest.assert_no_streamlit_exception(at)

    def _adapter(self) -> InProcessAdapter:
        # As in production, pages don't go by the path under which browsers find the application.
        return InProcessAdapter(self._call_of_page, CALLS_URL + self.api_prefix)

    def _call_of_page(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = ""
        environ[CALL] = True
        return self.wsgi(environ, start_response)

    def _root(self, value: str) -> str:
        try:
            mount = normalize_mount(value)
        except ValueError:
            expected = "a path such as /app"
        else:
            said = self._settings.root
            hidden = rootpath.hides(mount, self.api_prefix)
            if mount and said.rule and said.path != mount:
                expected = f"{said.path}, as in {said.rule}"
            elif hidden:
                expected = f"another path, as {hidden} is taken"
            else:
                return mount
        raise ConfigError("root_mount", value, source="code", expected=expected)


def _told(response: TestResponse) -> str:
    text = " ".join(response.get_data(as_text=True)[:200].split())
    return f"{response.status}, {text!r}" if text else response.status
