"""Response fields that name a place, seen through a mount. No I/O."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

from .paths import relative_reference

if t.TYPE_CHECKING:
    from ..typing import Headers


def rewrite_location(location: str, request_path: str, authorities: t.Collection[str]) -> str:
    """Make a redirect within the upstream independent of any mount in front of it.

    :param location: ``Location`` as the upstream sent it.
    :param request_path: Path that the upstream was asked for.
    :param authorities: Hosts that mean the upstream: its own, and the one it was told.
    """
    try:
        parts = urlsplit(location)
    except ValueError:
        return location
    if parts.netloc:
        if parts.netloc not in authorities:
            return location
    elif parts.scheme or not parts.path.startswith("/"):
        return location
    reference = relative_reference(request_path, parts.path or "/")
    if parts.query:
        reference += f"?{parts.query}"
    if parts.fragment:
        reference += f"#{parts.fragment}"
    return reference


def rewrite_cookie_path(cookie: str, root: str) -> str:
    """Move a ``Set-Cookie`` under the root path."""
    if not root:
        return cookie
    attributes = cookie.split(";")
    for i, attribute in enumerate(attributes[1:], start=1):
        name, _, path = attribute.strip().partition("=")
        if name.lower() == "path" and path.startswith("/"):
            attributes[i] = f" {name}={root}{path if path != '/' else ''}"
    return ";".join(attributes)


def rewrite(
    headers: Headers, request_path: str, root: str, authorities: t.Collection[str]
) -> Headers:
    """Rewrite all fields of a response that name a place; the rest stays as it is."""
    result: Headers = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == "location":
            value = rewrite_location(value, request_path, authorities)
        elif lowered == "set-cookie":
            value = rewrite_cookie_path(value, root)
        result.append((name, value))
    return result
