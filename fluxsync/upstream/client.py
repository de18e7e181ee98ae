"""The client with which pages call the API."""

from __future__ import annotations

import http.cookiejar
import os
import posixpath
import threading
import typing as t
from urllib.parse import unquote, urlsplit

import requests

from .calls import CALLS_URL, CALLS_VARIABLE, CallAdapter

#: Set for Streamlit's processes: where the API is.
API_BASE_VARIABLE = "FLUXSYNC_INTERNAL_API_BASE"


class ApiClient:
    """Call the API that runs beside the pages.

    Paths are below the API's prefix and can't leave it. Cookies are never kept, as one
    client serves all users of a Streamlit process, and proxies of the environment aren't
    asked, as the API is on this machine.

    Thread-safe.

    :param base_url: URL of the API; found by itself inside of a page.
    :param timeout: Seconds to wait for an answer; ``None`` is no limit.
    :param default_headers: Header fields for every request.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: float | None = 30.0,
        default_headers: t.Mapping[str, str] | None = None,
    ) -> None:
        own = os.environ.get(API_BASE_VARIABLE) or "http://127.0.0.1:8000/api"
        self.base_url = (base_url or own).rstrip("/")
        self.timeout = timeout
        self._default_headers = dict(default_headers or {})
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        calls = os.environ.get(CALLS_VARIABLE)
        if calls and not base_url:
            self._session.mount(f"{CALLS_URL}/", CallAdapter(calls))

    def request(self, method: str, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a request; keyword arguments are those of :func:`requests.request`.

        :raise ValueError: The path is a URL, or leads out of the API.
        :raise requests.RequestException: There is no answer.
        """
        kwargs.setdefault("timeout", self.timeout)
        kwargs["headers"] = {**self._default_headers, **(kwargs.get("headers") or {})}
        return self._session.request(method, self.url(path), **kwargs)

    def url(self, path: str) -> str:
        """Return the URL of an API path.

        :raise ValueError: The path is a URL, or leads out of the API.
        """
        parts = urlsplit(path)
        if parts.scheme or parts.netloc:
            raise ValueError(f"{path!r} is a URL; give a path such as '/users'")
        plain = posixpath.normpath("/api/" + unquote(parts.path).lstrip("/"))
        if not (plain + "/").startswith("/api/"):
            raise ValueError(f"{path!r} leads out of the API")
        return f"{self.base_url}/{path.lstrip('/')}"

    def get(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a GET request."""
        return self.request("GET", path, **kwargs)

    def head(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a HEAD request."""
        return self.request("HEAD", path, **kwargs)

    def post(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a POST request."""
        return self.request("POST", path, **kwargs)

    def put(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a PUT request."""
        return self.request("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a PATCH request."""
        return self.request("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send a DELETE request."""
        return self.request("DELETE", path, **kwargs)

    def options(self, path: str, **kwargs: t.Any) -> requests.Response:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", path, **kwargs)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def __enter__(self) -> ApiClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


_shared: ApiClient | None = None
_shared_lock = threading.Lock()


def shared_client() -> ApiClient:
    """Return this process's client: all pages and users use one pool of connections."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = ApiClient()
        return _shared
