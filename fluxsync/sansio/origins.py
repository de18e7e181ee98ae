"""Which pages may open a WebSocket or change something (RFC 6454). No I/O.

A WebSocket isn't bound by CORS, and a form may post anywhere, so a foreign page could act
in the name of whoever looks at it. Browsers say in ``Origin`` which page it is.
"""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

#: RFC 9110 9.2.1
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def authority(origin: str) -> tuple[str, int | None] | None:
    """Return an origin's host and port, or ``None`` if it isn't one (``null``)."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.scheme not in _DEFAULT_PORTS:
        return None
    return parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def is_allowed(origin: str, host: str, allowed: t.Collection[str]) -> bool:
    """Whether a page of this origin may use the site.

    The scheme of the own host isn't compared: behind a proxy that ends TLS and doesn't
    say so, an ``https`` page is the same site all the same.

    :param origin: The ``Origin`` field; empty if there was none, which browsers never do
        where it matters.
    :param host: Host and port that the client asked for.
    :param allowed: Other origins that are welcome.
    """
    if not origin:
        return True
    asked = authority(origin)
    if asked is None:
        return False
    scheme = urlsplit(origin).scheme
    if asked == authority(f"{scheme}://{host}"):
        return True
    return any(asked == authority(o) and scheme == urlsplit(o).scheme for o in allowed)


def is_cross_site(
    method: str, origin: str, fetch_site: str, host: str, allowed: t.Collection[str]
) -> bool:
    """Whether a request would let a foreign page change something.

    :param fetch_site: The ``Sec-Fetch-Site`` field, which browsers send without ``Origin`` too.
    """
    if method in SAFE_METHODS:
        return False
    if not origin:
        return fetch_site == "cross-site"
    return not is_allowed(origin, host, allowed)
