"""Whom a login may ask, and where it may lead. No I/O."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

#: Most characters of a path within the application: it travels in a cookie.
_LONGEST = 256


def is_secure(url: object) -> bool:
    """Whether nobody in between can change what is at a URL.

    What an identity provider says decides whom to believe, so it comes by HTTPS, or from this
    machine.
    """
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 # it's checked when it's asked for
    except ValueError:
        return False
    loopback = host in ("localhost", "127.0.0.1", "::1")
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and loopback))


def is_local(path: object) -> bool:
    """Whether this is a path of the application's pages, with or without a query.

    Browsers read ``//host`` and ``/\\host`` as another host, drop tabs and line feeds within a
    URL, and take ``..`` for a way out of the application (WHATWG URL 4.4).
    """
    if not isinstance(path, str):
        return False
    plain = path.partition("?")[0]
    return (
        path.startswith("/")
        and len(path) <= _LONGEST
        and path.isprintable()
        and path.isascii()
        and not any(character in path for character in "\\# ")
        and "//" not in plain
        and "%" not in plain
        and not any(segment in (".", "..") for segment in plain.split("/"))
    )


def with_query(url: str, **parameters: str) -> str:
    """Add parameters to a URL, after those that it has."""
    if not parameters:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
