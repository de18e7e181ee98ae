"""Request targets and paths (RFC 9112 3.2, RFC 3986 5.2.4 and 6.2.2). No I/O.

Routing needs a path in which ``%61pi`` and ``x/../api`` are ``api``. Streamlit needs the
target that the client sent, to the byte: ``%2F`` isn't ``/``. So there are two of them:
the *raw* path is forwarded, the *normalized* one is decided on.
"""

from __future__ import annotations

import typing as t
from urllib.parse import quote, unquote_to_bytes

#: What may stand unencoded in a request target. RFC 3986 reserves more than it forbids;
#: browsers send some of the forbidden ones too (``|`` in queries). Not ``#``: some servers
#: cut a target there (httptools), so that they'd see another path than was decided on.
_TARGET_SAFE = "".join(map(chr, range(0x21, 0x7F))).replace("#", "")

#: What a path can't have as it is (RFC 3986 3.3), and what ends a cookie's path (RFC 6265 4.1.1).
_NOT_IN_MOUNTS = '?#%\\ "<>^`{|};'


class Target(t.NamedTuple):
    """A request target in origin form."""

    path: str
    #: The query; ``None`` without a question mark.
    query: str | None = None

    def __str__(self) -> str:
        return self.path if self.query is None else f"{self.path}?{self.query}"


def parse_target(raw: str) -> Target:
    """Split a request target, bring absolute form to origin form.

    :param raw: Target as on the request line, decoded as latin-1.
    :raise ValueError: The target is neither in origin nor in absolute form.
    """
    if not raw.startswith("/"):
        scheme, found, rest = raw.partition("://")
        if not found or scheme.lower() not in ("http", "https"):
            raise ValueError(f"request target {raw!r} is not a path")
        before, question, query = rest.partition("?")
        raw = f"/{before.partition('/')[2]}{question}{query}"
    path, question, query = raw.partition("?")
    return Target(_ascii(path), _ascii(query) if question else None)


def _ascii(text: str) -> str:
    # Bytes over 0x7e aren't allowed there, but WSGI servers let them through as latin-1.
    if text.isascii() and text.isprintable() and " " not in text and "#" not in text:
        return text
    return quote(text.encode("latin-1", "replace"), safe=_TARGET_SAFE)


def target_from_path_info(path_info: str, query: str) -> Target:
    """Rebuild a target where the server doesn't keep the raw one.

    :param path_info: ``SCRIPT_NAME`` + ``PATH_INFO``, bytes as latin-1 (PEP 3333).
    """
    path = quote(path_info.encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~-._")
    return Target(path or "/", _ascii(query) if query else None)


def normalize(raw_path: str) -> str:
    """Return the path to decide on: decoded, without dot segments.

    The bytes are kept as latin-1, as in ``PATH_INFO``. Repeated slashes stay, since they
    carry meaning in API paths (``/api/fetch/http://...``).
    """
    path = unquote_to_bytes(raw_path).decode("latin-1") if "%" in raw_path else raw_path
    if "/." not in path:
        return path
    done: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(done) > 1:
                done.pop()
        elif segment != ".":
            done.append(segment)
    if segments[-1] in (".", ".."):
        done.append("")
    return "/".join(done) or "/"


def normalize_mount(path: str) -> str:
    """Return a mount as ``""`` or ``"/a/b"``.

    :raise ValueError: It is a URL, or has empty or dot segments, or what a mount can't have.
    """
    plain = path.isascii() and path.isprintable()
    if "://" in path or any(c in path for c in _NOT_IN_MOUNTS) or not plain:
        raise ValueError(f"{path!r} is not a path")
    segments = path.strip("/").split("/")
    if segments == [""]:
        return ""
    if any(segment in ("", ".", "..") for segment in segments):
        raise ValueError(f"{path!r} has an empty or a dot segment")
    return "/" + "/".join(segments)


def is_under(path: str, mount: str) -> bool:
    """Whether a path is the mount or lies below it."""
    return path == mount or path.startswith(mount + "/")


def without_root(path: str, root: str) -> str:
    """Return a path less the root path, whether or not it's still there.

    Some proxies strip the root path before forwarding, others don't.

    :param path: A path that starts with ``/``, raw or normalized.
    :param root: Root path, from :func:`normalize_mount`.
    """
    return path[len(root) :] or "/" if root and is_under(path, root) else path


def relative_reference(base: str, path: str) -> str:
    """Return the relative reference that leads from one path to another.

    Whatever mount a browser sees in front of both, the result is right, so that
    redirects need not know it.

    >>> relative_reference("/reports/", "/reports")
    '../reports'
    """
    here, there = base.split("/")[:-1], path.split("/")
    common = 0
    while common < min(len(here), len(there) - 1) and here[common] == there[common]:
        common += 1
    up, down = len(here) - common, there[common:]
    reference = "../" * up + "/".join(down)
    # RFC 3986 4.2: a first segment that is empty or has a colon would be read as
    # something else.
    if not up and (not down[0] or ":" in down[0]):
        return "./" + reference
    return reference
