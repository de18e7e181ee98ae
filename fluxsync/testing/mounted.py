"""Werkzeug's test client, for paths below another one."""

from __future__ import annotations

import typing as t

from werkzeug.test import Client

from ..sansio.paths import is_under
from ..upstream.ways import Way, use_way_here

if t.TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from ..typing import WSGIApplication
    from ..upstream.inprocess import InProcessAdapter

#: Where the application seems to be.
_ORIGIN = "http://localhost"


class MountedClient(Client):
    """Sends requests below a path.

    :param root: Path of the application on its server.
    :param prefix: Path below that.
    :param adapter: The way of the application's own calls to its API.
    """

    def __init__(
        self, application: WSGIApplication, root: str, prefix: str, adapter: InProcessAdapter
    ) -> None:
        super().__init__(application)
        self._adapter = adapter
        self._base_url = f"{_ORIGIN}{root}/"
        self._prefix = prefix

    def open(self, *args: t.Any, **kwargs: t.Any) -> TestResponse:
        """Send a request; arguments are those of :class:`werkzeug.test.EnvironBuilder`.

        The answer is read to its end, unless ``buffered=False`` says that the test will do so.
        """
        kwargs.setdefault("buffered", True)
        if args and isinstance(args[0], str):
            path, *rest = args
            args = (self._below(path), *rest)
            kwargs.setdefault("base_url", self._base_url)
        elif "path" in kwargs:
            kwargs["path"] = self._below(kwargs["path"])
            kwargs.setdefault("base_url", self._base_url)
        return super().open(*args, **kwargs)

    def run_wsgi_app(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Call the application, which may call its own API meanwhile."""
        with use_way_here(Way(self._adapter.base_url), self._adapter):
            return super().run_wsgi_app(*args, **kwargs)

    def _below(self, path: str) -> str:
        if "://" in path:
            return path
        path = path if path.startswith("/") else f"/{path}"
        return path if is_under(path.partition("?")[0], self._prefix) else self._prefix + path
