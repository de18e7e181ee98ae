"""Under which path the outside sees us, and who says so. No I/O.

Nobody is believed who isn't known: a header field counts only if a trusted proxy sent it, or
if the host that is known to send it runs this process. Where nothing is known, the page works
out its own mount in the browser; what is found here is for links, redirects and cookies.
"""

from __future__ import annotations

import functools
import typing as t
from urllib.parse import urlsplit

from .paths import is_under, normalize_mount

#: Posit Connect's fields: the content's URL, and the URL of this request.
CONNECT_BASE = "rstudio-connect-app-base-url"
CONNECT_REQUEST = "x-rsc-request"

#: What proxies that strip a prefix say it was.
PREFIX_FIELDS = ("x-forwarded-prefix", "x-script-name", "x-forwarded-context")


#: What no root path may begin with. Of Streamlit's others, ``/app`` is a root path too often.
_OWN_PATHS = (
    *("/__fluxsync", "/healthz", "/readyz"),
    *("/_stcore", "/component", "/media", "/static"),
)


class RootPath(t.NamedTuple):
    """A root path, and the rule that found it."""

    #: ``""`` or ``"/a/b"``.
    path: str = ""
    #: A setting, environment variable or header field; ``""`` if there was none.
    rule: str = ""
    #: Whether what else is known confirms it. If not, browsers may come another way as well.
    is_certain: bool = True


NONE = RootPath()


class Guess(t.NamedTuple):
    """A root path that follows from environment variables of the host."""

    path: str
    rule: str
    #: Whether the host removes it from requests. If not, only those that carry it are under it.
    is_stripped: bool = True


class Rules:
    """The rules in their order; the first that says something wins.

    Thread-safe.

    :param setting: What the settings say, if they do.
    :param guesses: What the host's environment variables say; the first that fits.
    :param on_connect: Whether this is Posit Connect, whose fields are believed then.
    """

    def __init__(
        self,
        setting: RootPath = NONE,
        guesses: t.Collection[Guess] = (),
        *,
        on_connect: bool = False,
    ) -> None:
        self._setting = setting
        self._guesses = tuple(guesses)
        self._on_connect = on_connect

    def find(
        self, path: str, script_name: str, field: t.Callable[[str], str], proxies: int
    ) -> RootPath:
        """Return the root path of a request.

        :param path: Its path, normalized.
        :param script_name: The WSGI server's mount (PEP 3333).
        :param field: Returns a header field of the request by its name, or ``""``.
        :param proxies: How many trusted proxies it came through.
        """
        if self._setting.rule:
            return self._setting
        if mount := _mount(script_name):
            return RootPath(mount, "SCRIPT_NAME")
        found = self._connect(path, field) if self._on_connect else NONE
        if not found.rule and proxies:
            found = _forwarded(field, proxies)
        return found if found.rule else self._guess(path)

    def _connect(self, path: str, field: t.Callable[[str], str]) -> RootPath:
        if mount := _mount(_url_path(field(CONNECT_BASE))):
            return RootPath(mount, "RStudio-Connect-App-Base-URL")
        whole = _url_path(field(CONNECT_REQUEST))
        if whole.endswith(path) and (mount := _mount(whole[: len(whole) - len(path)])):
            return RootPath(mount, "X-RSC-Request")
        return NONE

    def _guess(self, path: str) -> RootPath:
        for guess in self._guesses:
            if is_under(path, guess.path):
                return RootPath(guess.path, guess.rule)
            if guess.is_stripped:
                return RootPath(guess.path, guess.rule, is_certain=False)
        return NONE


@functools.lru_cache(256)
def hides(root: str, api_mount: str) -> str:
    """Return the path that a root path hides; ``""`` if it can be one.

    Requests come with the root path or without it. So what begins with it can't be a path of
    the application as well.
    """
    for path in (api_mount, *_OWN_PATHS):
        if root and (is_under(root, path) or is_under(path, root)):
            return path
    return ""


def _forwarded(field: t.Callable[[str], str], proxies: int) -> RootPath:
    """Return what trusted proxies say: each of them one prefix, the outermost first.

    Further left may be what a client has begun the list with.
    """
    for name in PREFIX_FIELDS:
        parts = [part.strip() for part in field(name).split(",")][-proxies:]
        if mount := _mount("".join(part.rstrip("/") for part in parts)):
            return RootPath(mount, name.title())
    return NONE


def _mount(path: str) -> str:
    try:
        return normalize_mount(path)
    except ValueError:
        return ""


def _url_path(url: str) -> str:
    """Return the path of a URL, or of what is a path already."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
