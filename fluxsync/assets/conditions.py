"""What a request wants of a file: all of it, a part, or to know that it hasn't changed.

RFC 9110 13.2.2 (order of preconditions) and 14 (ranges). Several ranges at once get the whole
file, which 14.2 allows: nobody asks a script for them.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from werkzeug.http import parse_date, parse_etags, parse_range_header, unquote_etag

if t.TYPE_CHECKING:
    from ..typing import Headers, WSGIEnvironment

OK, PARTIAL = "200 OK", "206 Partial Content"
NOT_MODIFIED, FAILED = "304 Not Modified", "412 Precondition Failed"
UNSATISFIABLE = "416 Range Not Satisfiable"


class Validators(t.NamedTuple):
    """What tells one state of a representation from others."""

    #: A strong entity tag, in quotes.
    etag: str
    modified: datetime
    #: The same as in ``Last-Modified``.
    modified_text: str


class Answer(t.NamedTuple):
    """Status, and which bytes go out."""

    status: str
    offset: int
    length: int
    headers: Headers


def answer(environ: WSGIEnvironment, validators: Validators, size: int) -> Answer:
    """Return what a GET or HEAD request gets.

    :param size: Bytes of the representation, which is not empty.
    """
    if not _may_go_on(environ, validators):
        return Answer(FAILED, 0, 0, [("Content-Length", "0")])
    if "HTTP_IF_NONE_MATCH" in environ:
        # 13.1.2: weak comparison. 13.1.3: the date doesn't count then.
        if _is_listed(environ["HTTP_IF_NONE_MATCH"], validators.etag, weak=True):
            return Answer(NOT_MODIFIED, 0, 0, [])
    elif "HTTP_IF_MODIFIED_SINCE" in environ:
        since = date(environ["HTTP_IF_MODIFIED_SINCE"])
        if since is not None and validators.modified <= since:
            return Answer(NOT_MODIFIED, 0, 0, [])
    if "HTTP_RANGE" in environ and environ["REQUEST_METHOD"] == "GET":
        # 13.1.5: strong comparison, and the very same date, not a later one.
        condition = environ.get("HTTP_IF_RANGE")
        if condition in (None, validators.etag, validators.modified_text):
            part = _range(environ["HTTP_RANGE"], size)
            if part is not None:
                return part
    return Answer(OK, 0, size, [("Content-Length", str(size))])


def date(field: str) -> datetime | None:
    """Return the time in a field, in UTC; ``None`` if there's none."""
    try:
        found = parse_date(field)
        return found.astimezone(timezone.utc) if found is not None else None
    except OverflowError:
        # A year or a zone that is too large: Werkzeug (3.1) returns None for other rubbish only.
        return None


def _may_go_on(environ: WSGIEnvironment, validators: Validators) -> bool:
    if "HTTP_IF_MATCH" in environ:
        return _is_listed(environ["HTTP_IF_MATCH"], validators.etag, weak=False)
    since = date(environ.get("HTTP_IF_UNMODIFIED_SINCE", ""))
    return since is None or validators.modified <= since


def _is_listed(field: str, etag: str, *, weak: bool) -> bool:
    etags = parse_etags(field)
    opaque, _ = unquote_etag(etag)
    return etags.contains_weak(opaque) if weak else etags.contains(opaque)


def _range(field: str, size: int) -> Answer | None:
    """Return the part that one range asks for; ``None`` if the field is to be ignored."""
    wanted = None if "," in field else parse_range_header(field)
    if wanted is None or wanted.units != "bytes":
        return None
    first, end = wanted.ranges[0]
    if first < 0:
        first = max(0, size + first)  # 14.1.2: a suffix may be longer than the whole
    if first >= size:
        nothing = [("Content-Range", f"bytes */{size}"), ("Content-Length", "0")]
        return Answer(UNSATISFIABLE, 0, 0, nothing)
    end = size if end is None else min(end, size)
    return Answer(
        PARTIAL,
        first,
        end - first,
        [
            ("Content-Range", f"bytes {first}-{end - 1}/{size}"),
            ("Content-Length", str(end - first)),
        ],
    )
