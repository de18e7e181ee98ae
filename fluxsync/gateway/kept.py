"""Serve frontend files of other Streamlit servers from what has passed by earlier.

Kept is only what the server itself calls public and immutable, for requests that say nothing
about their sender, and under the server's address. So nobody gets what wasn't for everybody,
and a client can't have anything kept that the server didn't send as its own.
"""

from __future__ import annotations

import re
import time
import typing as t

from ..assets import catalog, conditions
from ..assets.catalog import Variant
from ..assets.encoders import CODINGS
from ..assets.store import MAX_LENGTH, Store
from ..assets.writer import HEAD_SIZE, Entry
from ..sansio import caching, encodings
from ..sansio import headers as _headers
from ..upstream.body import UpstreamBody
from .variants import respond

if t.TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable, Iterator

    from ..assets.store import Kept
    from ..assets.writer import Writer
    from ..config import FluxSyncSettings
    from ..sansio.balancing import Row, Table
    from ..typing import Headers, StartResponse
    from ..upstream.body import Detached
    from .request import Request

#: Paths that mean the same to everybody: nothing encoded, no empty or dot segment.
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_~!$@-][A-Za-z0-9_~!$@.-]*)+")


class KeptAssets:
    """Answers of Streamlit that are kept, and Streamlit's own where there are none.

    Thread-safe.

    :param bases: Cache directories, the best one first.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        bases: t.Sequence[pathlib.Path],
        table: t.Callable[[], Table],
        proxy: t.Callable[[Request, StartResponse], Iterable[bytes]],
    ) -> None:
        self._is_foreign = bool(settings.streamlit_upstream)
        self._store = Store(bases)
        self._table = table
        self._proxy = proxy

    def __call__(self, request: Request, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answer a request; ``None`` if it isn't one whose answer may be kept.

        :raise Failure: As the proxy.
        """
        if not _is_plain(request):
            return None
        headers = request.headers
        if not caching.is_for_all(headers):
            return None
        if not caching.wants_fresh(headers):
            row = request.choose(self._table())
            upstream = self._name(row) if row is not None else ""
            body = self._find(request, start_response, upstream) if upstream else None
            if body is not None:
                request.exchange.route = "asset"
                return body
        return self._proxy_and_keep(request, start_response) if request.method == "GET" else None

    def _name(self, row: Row) -> str:
        """Return what answers are kept under: where the server is, or what it says it serves.

        A server of our own has another port each time. Without its word nothing is kept.
        """
        return f"http://{row.host}:{row.port}" if self._is_foreign else row.frontend

    def _find(
        self, request: Request, start_response: StartResponse, upstream: str
    ) -> Iterable[bytes] | None:
        accept = request.environ.get("HTTP_ACCEPT_ENCODING", "")
        left: tuple[str, ...] = CODINGS
        while True:
            coding = encodings.choose(accept, left)
            kept = self._store.get(upstream, request.path, coding)
            body = respond(request, start_response, _variant(kept), HEAD_SIZE) if kept else None
            if body is not None or coding == encodings.IDENTITY:
                return body
            left = tuple(other for other in left if other != coding)

    def _proxy_and_keep(self, request: Request, start_response: StartResponse) -> Iterable[bytes]:
        head: list[tuple[int, Headers]] = []

        def respond(status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
            head.append((int(status[:3]), headers))
            return start_response(status, headers)

        body = self._proxy(request, t.cast("StartResponse", respond))
        keepable = caching.may_be_kept(*head[0], MAX_LENGTH) if head else None
        # The proxy has chosen again, maybe another one.
        rows = {row.id: row for row in self._table().rows}
        row = rows.get(request.exchange.replica)
        upstream = self._name(row) if row is not None else ""
        if keepable is None or not upstream:
            return body
        now = time.time()
        modified = conditions.date(_headers.get(head[0][1], "last-modified"))
        entry = Entry(
            upstream,
            request.path,
            keepable.coding,
            stored=now,
            expires=now + keepable.lifetime,
            modified=modified.timestamp() if modified is not None else now,
            fields=[list(field) for field in keepable.fields],
            age=keepable.age,
        )
        assert isinstance(body, UpstreamBody)  # as its length is known
        writer = self._store.writer(entry, keepable.length)
        return body if writer is None else PassingBody(body, writer)


class PassingBody:
    """A body that is kept while it passes by, if it passes by as a whole.

    Like :class:`.UpstreamBody`, it can be left to others; it's not kept then.
    """

    def __init__(self, body: UpstreamBody, writer: Writer) -> None:
        self._body = body
        self._writer = writer

    @property
    def remaining(self) -> int | None:
        """Bytes that are still to be given out."""
        return self._body.remaining

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self._writer.write(chunk)
            yield chunk
        self._writer.finish()

    def detach(self) -> Detached:
        """Leave the rest to the caller."""
        self._writer.discard()
        return self._body.detach()

    def close(self) -> None:
        """Close the body, and forget what isn't complete."""
        self._writer.discard()
        self._body.close()


def _is_plain(request: Request) -> bool:
    target, environ = request.target, request.environ
    # A server may heed the body of a GET, which says nothing by itself (RFC 9110 9.3.1).
    has_body = environ.get("CONTENT_LENGTH") or environ.get("HTTP_TRANSFER_ENCODING")
    return (
        not has_body
        and target.query is None
        and target.path == request.path
        and _PLAIN_PATH.fullmatch(target.path) is not None
    )


def _variant(kept: Kept) -> Variant:
    entry = kept.entry
    validated = catalog.validators(entry.etag, entry.modified)
    age = entry.age + max(0, int(time.time() - entry.stored))
    headers = catalog.validator_headers(validated, vary=entry.is_text)
    for name, value in entry.fields:
        headers.append((name, value))
    content = [("Accept-Ranges", "bytes")]
    if entry.coding != encodings.IDENTITY:
        content.append(("Content-Encoding", entry.coding))
    # RFC 9111 5.1: whoever answers from what it keeps says for how long it has kept it.
    return Variant(
        kept.path, entry.length, kept.changed, validated, [*headers, ("Age", str(age))], content
    )
