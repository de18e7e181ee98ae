"""The application's URLs, as browsers see them."""

from __future__ import annotations

import ipaddress
import re
import sys
import typing as t
from urllib.parse import quote, urlencode, urlsplit

import flask

from ..exceptions import FluxSyncError

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..typing import WSGIEnvironment

#: A request of Flask or Werkzeug, or its WSGI environ.
RequestOrEnviron: t.TypeAlias = "t.Any"

_HOST = re.compile(r"[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\]")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*")


class UnknownUrl(FluxSyncError, RuntimeError):
    """It isn't known where browsers find the application."""


class FluxSyncPublicUrls:
    """URLs for links, mails and redirects.

    Each method takes the request whose client the URL is for: Flask's, Werkzeug's or a WSGI
    environ, as the API gets it. Without one, it's the request or the page run that calls.
    ``public_base_url`` wins over what the request says, and a URL that is made where neither is
    there needs it. ``Host`` and the forwarding headers are believed as far as the gateway
    believes them.

    Thread-safe.

    :param api: Returns the application's API; another one than fluxsync's own has documents
        only as far as it says so, as FastAPI does (``docs_url``).
    """

    def __init__(self, settings: FluxSyncSettings, api: t.Callable[[], object]) -> None:
        self._settings = settings
        self._api = api

    def app_base(self, request: RequestOrEnviron = None) -> str:
        """Return the URL of the application, with the root path, without a slash at its end.

        :raise UnknownUrl: There's no request, and ``public_base_url`` isn't set.
        """
        settings = self._settings
        if settings.public_base_url:
            parts = urlsplit(settings.public_base_url)
            return f"{parts.scheme}://{parts.netloc}{settings.root.path}"
        environ = _environ(request)
        base = _of_page() if environ is None else _of_request(environ)
        if base:
            return base
        raise UnknownUrl(
            "no request tells where browsers find the application: set public_base_url"
        )

    def api_base(self, request: RequestOrEnviron = None) -> str:
        """Return the URL of the API, without a slash at its end."""
        return self.app_base(request) + self._settings.api_mount_path

    def docs_url(self, request: RequestOrEnviron = None) -> str | None:
        """Return the URL of the API's documentation, or ``None`` if it has none."""
        return self._document(request, "docs")

    def redoc_url(self, request: RequestOrEnviron = None) -> str | None:
        """Return the URL of the API's documentation in ReDoc, or ``None`` if it has none."""
        return self._document(request, "redoc")

    def openapi_url(self, request: RequestOrEnviron = None) -> str | None:
        """Return the URL of the API's description, or ``None`` if it has none."""
        return self._document(request, "openapi")

    def health_url(self, request: RequestOrEnviron = None) -> str:
        """Return the URL that answers as long as the gateway does."""
        return f"{self.api_base(request)}/healthz"

    def ready_url(self, request: RequestOrEnviron = None) -> str:
        """Return the URL that answers once pages can be shown."""
        return f"{self.api_base(request)}/readyz"

    def for_page(
        self,
        request: RequestOrEnviron = None,
        path: str | None = None,
        *,
        query: t.Mapping[str, t.Any] | None = None,
    ) -> str:
        """Return the URL of a page.

        :param request: May be left out: ``for_page("/stations")``.
        :param path: As it was registered: ``"/"``, ``"/stations"``. Plain text, and quoted here.
        :param query: Parameters; a list has one for each of its values, ``None`` has none.
        :raise ValueError: The path has a query, a fragment, dot segments or control characters.
        """
        if isinstance(request, str) and path is None:
            request, path = None, request
        url = f"{self.app_base(request)}/{quote(_page_path(path or '/'), safe=_SAFE)}"
        fields = urlencode([*_parameters(query or {})])
        return f"{url}?{fields}" if fields else url

    def page_url(
        self,
        request: RequestOrEnviron = None,
        path: str | None = None,
        *,
        query: t.Mapping[str, t.Any] | None = None,
    ) -> str:
        """Return the URL of a page; another name of :meth:`for_page`."""
        return self.for_page(request, path, query=query)

    def _document(self, request: RequestOrEnviron, name: str) -> str | None:
        api = self._api()
        path = getattr(api, f"{name}_url", None)  # FastAPI's, which has the last word on its own
        if isinstance(api, flask.Flask):
            path = _OWN_DOCUMENTS[name]
            rules = {rule.rule for rule in api.url_map.iter_rules()}
            if api.import_name != _OWN_API or path not in rules:
                return None
        return self.api_base(request) + path if isinstance(path, str) and path else None


#: What an API of ours is called, and where it has what.
_OWN_API = "fluxsync.api"
_OWN_DOCUMENTS = {"docs": "/docs", "redoc": "/redoc", "openapi": "/openapi.json"}
#: What may stand in a path as it is (RFC 3986 3.3).
_SAFE = "/~!$&'()*+,;=:@"


def _page_path(path: t.Any) -> str:
    plain = isinstance(path, str) and path.isprintable() and not set(path) & set("?#\\")
    if not plain or path.startswith("//") or {".", ".."} & set(path.split("/")):
        raise ValueError(f"path={path!r}: expected the path of a page, such as '/stations'")
    return str(path).removeprefix("/")


def _parameters(query: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Any]]:
    for name, value in query.items():
        values = value if isinstance(value, (list, tuple, set, frozenset)) else (value,)
        yield from ((name, each) for each in values if each is not None)


def _environ(request: RequestOrEnviron) -> WSGIEnvironment | None:
    if request is None and flask.has_request_context():
        return flask.request.environ
    # Starlette's, of an API that is called through a2wsgi.
    scope = getattr(request, "scope", None)
    if isinstance(scope, dict):
        request = scope.get("wsgi_environ")
    environ = getattr(request, "environ", request)
    if environ is not None and not isinstance(environ, dict):
        raise TypeError(f"request={request!r}: expected a Flask request or a WSGI environ")
    return environ


def _of_request(environ: WSGIEnvironment) -> str:
    # The gateway has put there what it believes; the server's name is what HTTP/1.0 leaves.
    host = environ.get("HTTP_HOST") or _server(environ)
    found = environ.get("fluxsync.root_path")
    root = found.path if found is not None else ""
    return _base(environ.get("wsgi.url_scheme", ""), host, root)


def _server(environ: WSGIEnvironment) -> str:
    name, port = str(environ.get("SERVER_NAME", "")), str(environ.get("SERVER_PORT", ""))
    if ":" in name and not name.startswith("["):
        name = f"[{name}]"
    return f"{name}:{port}" if port else name


def _of_page() -> str:
    """Return the base for the page that runs in this thread, or ``""``.

    The gateway tells Streamlit what it knows of the browser's request, and lets nobody else.
    """
    streamlit = sys.modules.get("streamlit")
    if streamlit is None:
        return ""
    from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

    # Else Streamlit would warn in each process that has it imported for something else.
    if get_script_run_ctx(suppress_warning=True) is None:
        return ""
    headers = streamlit.context.headers

    def field(name: str) -> str:
        return str(headers.get(name) or "")

    return _base(
        field("X-Forwarded-Proto") or "http",
        # Each request has one (RFC 9112 3.2), other than under AppTest.
        field("X-Forwarded-Host") or field("Host") or "localhost",
        field("X-Forwarded-Prefix"),
    )


def _base(scheme: str, host: str, root: str) -> str:
    """Return a URL of its parts, or ``""`` if they make none.

    What clients make up is in many a ``Host``: it ends up in links, mails and redirects.
    """
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    if scheme not in ("http", "https") or not _HOST.fullmatch(name):
        return ""
    if colon and not (port.isascii() and port.isdecimal() and int(port) < 65536):
        return ""
    if name.startswith("["):
        try:
            ipaddress.IPv6Address(name[1:-1])
        except ValueError:
            return ""
    if not _PREFIX.fullmatch(root):
        return ""
    usual = {"http": "80", "https": "443"}[scheme]
    return f"{scheme}://{name}{f':{port}' if colon and port != usual else ''}{root}"
