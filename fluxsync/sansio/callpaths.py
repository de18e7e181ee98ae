"""Where a client of the API may go: paths below its base, and nothing else. No I/O."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import SplitResult, unquote, urlsplit

_URL = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*:)?//")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: None of it in a base, not even as the begin of a query that is empty.
_NOT_IN_BASE = re.compile(r"[\x00-\x20\x7f?#]")
_EXPECTED = "expected an http:// or https:// URL without credentials, query and fragment"


def check_base(url: str) -> str:
    """Return a base URL without its last slash.

    :raise ValueError: It isn't one of an API.
    :raise TypeError: It's no text.
    """
    if not isinstance(url, str):
        raise TypeError(f"base_url={url!r}: {_EXPECTED}")
    try:
        parts = urlsplit(url)
        found = parts.hostname and parts.scheme in ("http", "https") and (parts.port or 1)
    except ValueError:
        found = None
    if found and "@" in parts.netloc:
        # The name of a user is none of a log's business either.
        raise ValueError(f"base_url='***@{parts.netloc.rpartition('@')[2]}': {_EXPECTED}")
    if not found or _NOT_IN_BASE.search(url):
        raise ValueError(f"base_url={url!r}: {_EXPECTED}")
    return url.rstrip("/")


def join(base: str, path: str) -> str:
    """Return the URL of an API path.

    :param base: From :func:`check_base`.
    :param path: With or without a slash at its begin; may have a query.
    :raise ValueError: The path is a URL, leads out of the API, or has control characters.
    :raise TypeError: It's no text.
    """
    if not isinstance(path, str):
        raise TypeError(f"path={path!r}: expected a path such as '/users'")
    if _CONTROL.search(path):
        raise ValueError(f"{path!r} has control characters")
    if _URL.match(path):
        raise ValueError(f"{path!r} is a URL; give a path such as '/users'")
    if not _stays(re.split("[?#]", path, maxsplit=1)[0]):
        raise ValueError(f"{path!r} leads out of the API")
    return f"{base}/{path.removeprefix('/')}"


def is_inside(base: str, url: str) -> bool:
    """Whether an absolute URL is one of the API."""
    try:
        ours, theirs = urlsplit(base), urlsplit(url)
        same = _origin(ours) == _origin(theirs) and "@" not in theirs.netloc
    except ValueError:
        return False
    prefix = ours.path + "/"
    return same and theirs.path.startswith(prefix) and _stays(theirs.path[len(prefix) :])


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port


def _stays(path: str) -> bool:
    """Whether a path stays where it begins, however the server reads it."""
    # Some servers take a backslash for a slash, and many decode before they look for dots.
    plain = unquote(path).replace("\\", "/").lstrip("/")
    return (posixpath.normpath(f"/-/{plain}") + "/").startswith("/-/")
