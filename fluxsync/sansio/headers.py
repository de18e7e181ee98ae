"""Header fields between two hops (RFC 9110 7.6.1). No I/O."""

from __future__ import annotations

import functools
import re
import typing as t

if t.TYPE_CHECKING:
    from ..typing import Headers

#: RFC 9110 7.6.1, RFC 9112, and ``Proxy-Connection``, which was never a standard but is
#: still sent.
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

#: The WSGI server writes these itself. RFC 9110 6.6.1: one Date, by the first recipient
#: with a clock; a gateway's Server is its own (10.2.4).
WRITTEN_BY_SERVER = frozenset(("date", "server"))

#: What stays behind on the way to the client, without and with ``Transfer-Encoding``: then
#: ``Content-Length`` means nothing (RFC 9112 6.3).
_NOT_TO_CLIENT = (
    HOP_BY_HOP | WRITTEN_BY_SERVER,
    HOP_BY_HOP | WRITTEN_BY_SERVER | {"content-length"},
)

#: RFC 9110 5.1 and 5.6.2: what a field's name is made of.
_NAME_CHARACTERS = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]*")
#: RFC 9110 5.5: control characters, of which a value may have the tab only.
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@functools.lru_cache(256)
def environ_key(name: str) -> str:
    """Return the key under which WSGI keeps a request's field."""
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def wire_name(key: str) -> str:
    """Return the name of the field that an environ's key stands for, or ``""``."""
    if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return key.replace("_", "-").title()
    return key[5:].replace("_", "-").title() if key.startswith("HTTP_") else ""


def from_environ(environ: t.Mapping[str, t.Any]) -> Headers:
    """Return the request's header fields as far as WSGI keeps them.

    Servers join repeated fields with a comma, which RFC 9110 5.3 allows.
    """
    return [
        (name, value)
        for key, value in environ.items()
        # Servers have CONTENT_LENGTH empty where there was none.
        if (name := wire_name(key)) and (value or key.startswith("HTTP_"))
    ]


def tokens(value: str) -> list[str]:
    """Return a comma-separated list's members in lower case."""
    return [token for part in value.split(",") if (token := part.strip().lower())]


def get(headers: t.Iterable[tuple[str, str]], name: str) -> str:
    """Return a field's value, several joined by a comma, or ``""``."""
    name = name.lower()
    return ", ".join(value for key, value in headers if key.lower() == name)


def is_name(text: str) -> bool:
    """Whether text may be a field's name, or is empty."""
    return _NAME_CHARACTERS.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """Whether text may be a field's value or a reason phrase (RFC 9110 5.5, RFC 9112 4)."""
    return _CONTROLS.search(text) is None


def are_wellformed(headers: Headers) -> bool:
    """Whether the fields mean the same to whoever gets them next."""
    # Joined, as two searches cost less than two for each field.
    names = _NAME_CHARACTERS.fullmatch("".join(name for name, _ in headers))
    return names is not None and is_plain("".join(value for _, value in headers))


def without(headers: Headers, drop: frozenset[str], connection: str) -> Headers:
    """Return the fields but those that are to be dropped, or nominated by ``Connection``."""
    if connection.lower() not in ("", "close", "keep-alive"):
        drop = drop.union(tokens(connection))
    return [field for field in headers if field[0].lower() not in drop]


def to_client(headers: t.Iterable[tuple[str, str]]) -> Headers:
    """Return an upstream's response fields as a WSGI server may send them."""
    headers = list(headers)
    return for_client(
        headers, get(headers, "connection"), is_chunked=bool(get(headers, "transfer-encoding"))
    )


def for_client(headers: Headers, connection: str, *, is_chunked: bool) -> Headers:
    """As :func:`to_client`, for a caller that knows what is among the fields."""
    return without(headers, _NOT_TO_CLIENT[is_chunked], connection)


def without_cookie(headers: t.Iterable[tuple[str, str]], cookie: str) -> Headers:
    """Return the fields with one cookie taken out of ``Cookie``."""
    result: Headers = []
    for name, value in headers:
        if name.lower() == "cookie" and f"{cookie}=" in value:
            value = "; ".join(
                pair
                for pair in map(str.strip, value.split(";"))
                if not pair.startswith(f"{cookie}=")
            )
            if not value:
                continue
        result.append((name, value))
    return result


def cookie_value(header: str, cookie: str) -> str:
    """Return a cookie's value from a ``Cookie`` field, or ``""``."""
    if cookie not in header:
        return ""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == cookie:
            return value
    return ""
