"""Serve Streamlit's frontend files without asking Streamlit, wherever that's safe."""

from __future__ import annotations

import logging
import threading
import typing as t

from ..assets import directories, frontend
from ..assets.catalog import catalogue
from ..assets.encoders import CODINGS
from ..assets.sets import Shelf
from ..process.installation import identify
from ..sansio import encodings
from .kept import KeptAssets
from .variants import respond

if t.TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from ..assets.catalog import Resource
    from ..assets.frontend import Frontend
    from ..config import FluxSyncSettings
    from ..sansio.balancing import Table
    from ..typing import StartResponse
    from .request import Request

logger = logging.getLogger("fluxsync.assets")


class Assets:
    """Answers requests below ``/static/``.

    :param table: Returns the current table of replicas.
    :param proxy: Has Streamlit answer.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        table: t.Callable[[], Table],
        proxy: t.Callable[[Request, StartResponse], Iterable[bytes]],
    ) -> None:
        bases = directories.candidates(settings.cache_dir)
        self._installed = InstalledAssets(bases, table)
        self._kept = KeptAssets(settings, bases, table, proxy)

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a request; ``None`` if that's Streamlit's to do.

        :raise Failure: As the proxy.
        """
        if not request.path.startswith(frontend.PREFIX) or request.method not in ("GET", "HEAD"):
            return None
        body = self._installed(request, start_response)
        return self._kept(request, start_response) if body is None else body


class InstalledAssets:
    """The files of the installed Streamlit, while all replicas say that it's theirs too.

    Thread-safe.

    :param bases: Cache directories with compressed files, the best one first.
    """

    def __init__(self, bases: t.Sequence[pathlib.Path], table: t.Callable[[], Table]) -> None:
        self._bases = bases
        self._table = table
        self._lock = threading.Lock()
        self._seen: Table | None = None
        #: What was found here last, and whose it is.
        self._identity = ""
        self._frontend: Frontend | None = None
        self._shelf: Shelf | None = None
        #: What was wanted and isn't here, as far as it has been said.
        self._refused = ""
        #: What may be served now.
        self._resources: dict[str, Resource] = {}

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a request; ``None`` if the file isn't here, or isn't the replicas'."""
        table = self._table()
        if table is not self._seen:
            self._follow(table)
        elif self._shelf is not None and self._shelf.has_changed():
            self._restock()
        resource = self._resources.get(request.path)
        if resource is None:
            return None
        accept = request.environ.get("HTTP_ACCEPT_ENCODING", "")
        coding = encodings.choose(accept, resource.codings)
        # A compressed file may just have been removed. If the plain one is another than it was,
        # Streamlit is being replaced on disk.
        for variant in (resource.variants[coding], resource.variants[encodings.IDENTITY]):
            body = respond(request, start_response, variant)
            if body is not None:
                request.exchange.route = "asset"
                return body
        return None

    def _follow(self, table: Table) -> None:
        """Find out whether what the replicas serve is here."""
        refused = self._refused
        with self._lock:
            wanted = {row.frontend for row in table.rows}
            identity = wanted.pop() if len(wanted) == 1 else ""
            if identity and identity != self._identity:
                found = find(identity)
                if found is not None:
                    self._identity, self._frontend = identity, found
                    self._shelf = Shelf(self._bases, found)
                else:
                    self._refused = identity
            if self._frontend is not None and identity == self._identity:
                self._fill()
            else:
                self._resources = {}
            self._seen = table
        # Not with the lock, which isn't gevent's where the application is loaded before a fork.
        if self._refused != refused:
            logger.info(
                "frontend files are proxied: Streamlit's process serves others than this one sees"
            )

    def _restock(self) -> None:
        """Take note of compressed files that have come or gone."""
        with self._lock:
            if self._resources:
                self._fill()

    def _fill(self) -> None:
        assert self._shelf is not None
        assert self._frontend is not None
        self._resources = catalogue(self._frontend, self._shelf.sets(CODINGS))


def find(identity: str) -> Frontend | None:
    """Return the files of the installation that this process sees, if it's the one wanted."""
    package = frontend.find_package()
    if package is None or identify(package.directory, package.version) != identity:
        return None
    try:
        files = frontend.scan(package)
    except OSError:
        return None
    # If it's another one now, it was replaced meanwhile.
    is_still = identify(package.directory, package.version) == identity
    return files if is_still else None
