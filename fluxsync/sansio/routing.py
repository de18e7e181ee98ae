"""Which part of fluxsync a path belongs to. No I/O."""

from __future__ import annotations

import enum

from .paths import is_under


class Route(enum.Enum):
    """Part of fluxsync that answers a request; the value is what logs call it."""

    API = "api"
    HEALTH = "health"
    READY = "ready"
    #: Ours, under ``/__fluxsync``.
    INTERNAL = "internal"
    #: Requests of pages that have no WebSocket.
    TUNNEL = "tunnel"
    #: Streamlit's own endpoints that aren't for the public.
    PRIVATE = "private"
    #: Behind a prefix that nobody has removed or announced.
    MISPLACED = "misplaced"
    WEBSOCKET = "websocket"
    STREAMLIT = "streamlit"


HEALTH_PATHS = {"/healthz": Route.HEALTH, "/readyz": Route.READY}
INTERNAL_PREFIX = "/__fluxsync"
TUNNEL_PREFIX = f"{INTERNAL_PREFIX}/tunnel"

#: Counts how often a browser was sent from a page's name with a slash to the one without.
REDIRECTS_COOKIE = "fluxsync_redirects"

#: What stands at the beginning of a path, unless a proxy has left its prefix before it.
_MARKS = ("/_stcore/", f"{INTERNAL_PREFIX}/")

#: Streamlit answers these to anybody: figures about other users' sessions, a run of the
#: script per request, and an agent's way in (Streamlit 1.67).
PRIVATE_PREFIXES = ("/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/agent")

#: How paths begin that aren't simply Streamlit's.
_SPECIAL = (*HEALTH_PATHS, INTERNAL_PREFIX, *PRIVATE_PREFIXES)

#: First path segments that Streamlit answers itself, so that no page can have them.
STREAMLIT_SEGMENTS = frozenset(
    ("static", "media", "app", "component", "auth", "oauth2callback", "_stcore")
)


def route(path: str, api_mount: str) -> Route:
    """Return what answers a path.

    :param path: Normalized path, root path removed.
    :param api_mount: Mount of the API, from :func:`~fluxsync.sansio.paths.normalize_mount`.
    """
    if is_under(path, api_mount):
        return HEALTH_PATHS.get(path[len(api_mount) :], Route.API)
    if not path.startswith(_SPECIAL):
        return Route.MISPLACED if prefix_before(path) else Route.STREAMLIT
    if path in HEALTH_PATHS:
        return HEALTH_PATHS[path]
    if is_under(path, TUNNEL_PREFIX):
        return Route.TUNNEL
    if is_under(path, INTERNAL_PREFIX):
        return Route.INTERNAL
    if any(is_under(path, prefix) for prefix in PRIVATE_PREFIXES):
        return Route.PRIVATE
    return Route.STREAMLIT


def is_streamlits_own(path: str) -> bool:
    """Whether Streamlit has an answer of its own for a path, other than its page.

    :param path: Normalized path, root path removed.
    """
    return path.split("/", 2)[1] in STREAMLIT_SEGMENTS


def prefix_before(path: str) -> str:
    """Return what stands in a path before one of our or Streamlit's endpoints, or ``""``.

    :param path: Normalized path, root path removed.
    """
    found = [at for mark in _MARKS if (at := path.find(mark, 1)) > 0]
    # The files of users and their components may have any name.
    return path[: min(found)] if found and not is_streamlits_own(path) else ""


def reserved_segment(segment: str, api_mount: str) -> str | None:
    """Say who owns a first path segment, or ``None`` if a page may have it."""
    if segment == api_mount.split("/")[1]:
        return "the API (api_mount_path)"
    if f"/{segment}" in HEALTH_PATHS or f"/{segment}" == INTERNAL_PREFIX:
        return "fluxsync"
    if segment in STREAMLIT_SEGMENTS:
        return "Streamlit"
    return None
