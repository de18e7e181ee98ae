"""Where the routes of a login are, and the pages, as browsers and the provider see them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import flask
from werkzeug.urls import iri_to_uri

from ..sansio.paths import relative_reference

#: The gateway's word on the root path, and on the path for cookies.
_ROOT, _COOKIE_PATH = "fluxsync.root_path", "fluxsync.cookie_path"


class Places:
    """Works URLs out for the current request.

    :param public_base_url: The application's URL; from the request if it's empty. If it has no
        path, the request's root path is added.
    :param mount: The API's path within the application.
    :param callback: The callback's path within the API.
    """

    def __init__(self, public_base_url: str, mount: str, callback: str) -> None:
        self._public = public_base_url.rstrip("/")
        self._mount = mount
        self._callback = callback

    def callback(self) -> str:
        """Return the callback's URL, which the provider must know."""
        if self._public:
            return self._base() + self._mount + self._callback
        return iri_to_uri(flask.request.url_root).rstrip("/") + self._callback

    def page(self, path: str) -> str:
        """Return a reference to a page, for a redirect.

        It's relative, and so right whatever prefix proxies remove.
        """
        if self._public:
            return self._base() + path
        plain, mark, query = path.partition("?")
        mount = self._mount if self._is_mounted() else ""
        return relative_reference(mount + flask.request.path, plain) + mark + query

    def absolute_page(self, path: str) -> str:
        """Return the URL of a page."""
        return self._base() + path

    def cookie_path(self) -> str:
        """Return the path of cookies for all of the application."""
        known = flask.request.environ.get(_COOKIE_PATH)
        return known if isinstance(known, str) else quote(self._root()) or "/"

    def _base(self) -> str:
        if urlsplit(self._public).path:
            return self._public
        host = iri_to_uri(flask.request.host_url).rstrip("/")
        return (self._public or host) + quote(self._root())

    def _is_mounted(self) -> bool:
        # Without a gateway, the API may be all there is.
        return flask.request.script_root.endswith(self._mount)

    def _root(self) -> str:
        found = flask.request.environ.get(_ROOT)
        if found is not None:
            return str(found.path)
        return flask.request.script_root.removesuffix(self._mount)
