"""Frontend files with all that can be said of them before a request comes."""

from __future__ import annotations

import typing as t
from datetime import datetime, timezone

from werkzeug.http import http_date

from ..sansio.encodings import IDENTITY
from .conditions import Validators

if t.TYPE_CHECKING:
    from ..typing import Headers
    from .frontend import File, Frontend
    from .sets import Encoded, Set

#: What Streamlit says about files whose name changes with their content.
CACHE_CONTROL = "public, immutable, max-age=31536000"


class Variant(t.NamedTuple):
    """One file in one coding."""

    path: str
    size: int
    #: When the file was changed last, in nanoseconds; 0 if the size is enough to know it.
    changed: int
    validators: Validators
    #: Header fields of every answer, and those that go with the content only.
    headers: Headers
    content_headers: Headers


class Resource(t.NamedTuple):
    """One file in all codings that it's there in."""

    variants: dict[str, Variant]
    #: Codings besides the identity, best first.
    codings: tuple[str, ...]


def catalogue(frontend: Frontend, sets: t.Mapping[str, Set]) -> dict[str, Resource]:
    """Return all files by their URL's path.

    :param sets: Compressed files of each coding, the best coding first.
    """
    resources = {}
    for url, file in frontend.files.items():
        if not file.size:
            continue  # nothing can be asked of it; Streamlit sends it just as fast
        variants = {IDENTITY: _plain(file, frontend.etag(url))}
        for coding, files in sets.items():
            if file.is_compressible and url in files:
                variants[coding] = _encoded(file, coding, files[url])
        resources[url] = Resource(variants, tuple(variants)[1:])
    return resources


def validators(etag: str, modified: float) -> Validators:
    """Return the validators of a file that was modified at a time, in seconds."""
    # HTTP knows whole seconds.
    date = datetime.fromtimestamp(int(modified), timezone.utc)
    return Validators(etag, date, http_date(date))


def validator_headers(of: Validators, *, vary: bool) -> Headers:
    """Return header fields that stand in every answer about a file, 304 as well."""
    fields = [("ETag", of.etag), ("Last-Modified", of.modified_text)]
    return [*fields, ("Vary", "Accept-Encoding")] if vary else fields


def _plain(file: File, etag: str) -> Variant:
    validated = validators(etag, file.changed / 1e9)
    return Variant(
        file.path,
        file.size,
        file.changed,
        validated,
        _headers(validated, file),
        [("Content-Type", file.type), ("Accept-Ranges", "bytes")],
    )


def _encoded(file: File, coding: str, encoded: Encoded) -> Variant:
    validated = validators(encoded.etag, file.changed / 1e9)
    content = [("Content-Type", file.type), ("Content-Encoding", coding)]
    return Variant(
        encoded.path,
        encoded.size,
        0,
        validated,
        _headers(validated, file),
        [*content, ("Accept-Ranges", "bytes")],
    )


def _headers(of: Validators, file: File) -> Headers:
    # It varies even while there's only one, as others may be ready a moment later.
    fields = validator_headers(of, vary=file.is_compressible)
    return [("Cache-Control", CACHE_CONTROL), *fields]
