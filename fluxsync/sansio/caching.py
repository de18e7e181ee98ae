"""Which answers may be kept and given to others (RFC 9111). No I/O.

Much narrower than what RFC 9111 allows: only what its sender calls public and immutable. There's
nothing to revalidate then, and nothing that depends on who asks.
"""

from __future__ import annotations

import typing as t

from . import headers as _headers

if t.TYPE_CHECKING:
    from ..typing import Headers

#: Content codings that answers may have come in.
CODINGS = ("identity", "gzip", "br", "zstd")

#: Fields of the answer that are kept. Others may be about one request, or one connection.
KEPT_FIELDS = ("Content-Type", "Cache-Control", "X-Content-Type-Options")

#: Directives after which nothing is kept, with or without an argument. What is kept gets a
#: compressed copy, which ``no-transform`` forbids (RFC 9111 5.2.2.6).
_FORBIDDEN = frozenset(("no-store", "no-cache", "private", "no-transform"))


class Keepable(t.NamedTuple):
    """An answer that may be kept."""

    length: int
    coding: str
    #: Seconds from now.
    lifetime: int
    #: Seconds for which it has been kept elsewhere.
    age: int
    fields: Headers


def may_be_kept(status: int, headers: Headers, max_length: int) -> Keepable | None:
    """Return what to know about an answer to a GET if it may be kept.

    :param headers: The answer's fields, as they go to the client.
    """
    directives = _directives(_headers.get(headers, "cache-control"))
    length = _number(_headers.get(headers, "content-length"))
    age = _number(_headers.get(headers, "age") or "0")
    # RFC 9111 5.2.2.10: for caches that several share, s-maxage counts.
    lifetime = _number(directives.get("s-maxage", directives.get("max-age", "")))
    coding = (_headers.get(headers, "content-encoding") or "identity").lower()
    kind = _headers.get(headers, "content-type").lower()
    if (
        status != 200
        or not {"public", "immutable"} <= directives.keys()
        or directives.keys() & _FORBIDDEN
        or any(_headers.get(headers, name) for name in ("set-cookie", "content-range", "trailer"))
        or not set(_headers.tokens(_headers.get(headers, "vary"))) <= {"accept-encoding"}
        or length is None
        or not 0 < length <= max_length
        or lifetime is None
        or age is None
        or lifetime <= age
        or coding not in CODINGS
        or not kind
        # A document is what Streamlit sends for names that it doesn't know.
        or kind.startswith("text/html")
    ):
        return None
    kept = [(name, value) for name in KEPT_FIELDS if (value := _headers.get(headers, name))]
    return Keepable(length, coding, lifetime - age, age, kept)


def is_for_all(headers: Headers) -> bool:
    """Whether a request asks for what anybody may have, as a whole.

    RFC 9111 3.5: an answer to a request with ``Authorization`` may be for its sender alone.
    """
    return not any(_headers.get(headers, name) for name in ("authorization", "range"))


def wants_fresh(headers: Headers) -> bool:
    """Whether a client wants its answer from the origin, as browsers do on a forced reload."""
    directives = _directives(_headers.get(headers, "cache-control"))
    return bool(directives.keys() & {"no-cache", "no-store"})


def _directives(value: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.lower().split(","))
    return {name.strip(): argument.strip() for name, _, argument in pairs if name.strip()}


def _number(text: str) -> int | None:
    # Longer ones aren't meant to be understood, and repeated fields came joined by a comma.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
