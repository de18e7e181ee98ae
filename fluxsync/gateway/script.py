"""The page's script: made of its sources once, and served as a file."""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.resources
import typing as t
import zlib

from werkzeug.http import parse_etags

from ..sansio import encodings, routing
from ..tunnel import script as _sources
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..typing import StartResponse
    from .request import Request

#: Path of the file, root path removed.
PATH = f"{routing.INTERNAL_PREFIX}/shim.js"

#: RFC 1952 2.3: no flags, no time, any system.
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


class PageScript(t.NamedTuple):
    """The script, in the forms in which it goes out."""

    text: bytes
    #: The first digits of its hash.
    version: str
    gzipped: bytes
    #: RFC 1951, as a part that may stand between others.
    deflated: bytes


@functools.cache
def load() -> PageScript:
    """Return the script, read when it's needed first."""
    directory = importlib.resources.files(_sources)
    return build((directory / name).read_text("utf-8") for name in _sources.FILES)


def build(sources: Iterable[str]) -> PageScript:
    """Make one script of several, whose names nobody else in the page sees."""
    text = '(function () {\n"use strict";\n' + "\n".join(sources) + "\n})();\n"
    data = text.encode("utf-8")
    return PageScript(
        data,
        hashlib.sha256(data).hexdigest()[:16],
        gzip.compress(data, 9, mtime=0),
        _deflate(data, zlib.Z_SYNC_FLUSH, 9),
    )


def gzip_around(before: bytes, script: PageScript, after: bytes) -> bytes:
    """Return a page with the script in it, compressed but for the script, which is already."""
    whole = (before, script.text, after)
    checksum = functools.reduce(lambda value, part: zlib.crc32(part, value), whole, 0)
    length = sum(map(len, whole))
    return b"".join(
        (
            _GZIP_HEADER,
            _deflate(before, zlib.Z_SYNC_FLUSH),
            script.deflated,
            _deflate(after, zlib.Z_FINISH),
            checksum.to_bytes(4, "little"),
            length.to_bytes(4, "little"),
        )
    )


def _deflate(data: bytes, flush: int, level: int = 6) -> bytes:
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush(flush)


def respond(request: Request, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request for the file.

    :raise Failure: It isn't a request for its content.
    """
    if request.method not in ("GET", "HEAD"):
        raise Failure(405, "the page's script can only be read", [("Allow", "GET, HEAD")])
    script = load()
    is_gzipped = encodings.choose(request.header("accept-encoding"), ("gzip",)) == "gzip"
    etag = f"{script.version}-gzip" if is_gzipped else script.version
    # The address changes with the content. Without it, or with an older one, nobody may keep
    # what comes: the next version of fluxsync has the same one then.
    is_current = request.target.query == f"v={script.version}"
    headers = [
        ("ETag", f'"{etag}"'),
        ("Cache-Control", "public, max-age=31536000, immutable" if is_current else "no-cache"),
        ("Vary", "Accept-Encoding"),
    ]
    if parse_etags(request.header("if-none-match")).contains_weak(etag):
        start_response("304 Not Modified", headers)
        return []
    body = script.gzipped if is_gzipped else script.text
    headers += [
        ("Content-Type", "text/javascript; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if is_gzipped:
        headers.append(("Content-Encoding", "gzip"))
    start_response("200 OK", headers)
    return [body] if request.method == "GET" else []
