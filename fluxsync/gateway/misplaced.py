"""Requests with something in front of the paths that are known.

A proxy publishes the application under a path, leaves that in what it forwards, and nobody has
told fluxsync. What comes then isn't where Streamlit looks for it, and a person would see an
empty page, or a browser that gives up after twenty redirects. These answers say what to set.
"""

from __future__ import annotations

import re
import typing as t

from ..sansio import headers as _headers
from ..sansio import paths, rewriting, routing
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..sansio.http1 import Head
    from ..typing import Headers, StartResponse
    from .request import Request

#: What is proposed as a root path, to people who may type it into a shell.
_PROPOSED = re.compile(r"(/[A-Za-z0-9_~@-][A-Za-z0-9_.~@-]{0,100}){1,20}")

#: Redirects on which a browser has come back here; browsers themselves give up after twenty.
_MOST_REDIRECTS = 5
#: Seconds in which they count: a loop takes less, and nobody types an address so often.
_LOOP_LASTS = 10


def refuse(request: Request) -> Failure:
    """Return the answer to a request for what isn't where it's asked for."""
    prefix = routing.prefix_before(request.path)
    return _failure(request, f"There is nothing at {request.target.path}.", prefix)


def refuse_page(request: Request) -> Failure:
    """Return the answer instead of Streamlit's page, which wouldn't find its files there."""
    path = request.target.path
    return _failure(request, f"There is no page at {path}.", path.rpartition("/")[0])


def drops_slash(request: Request, head: Head, authorities: t.Collection[str]) -> bool:
    """Whether Streamlit's answer is that a page's name has no slash at its end.

    :param authorities: Hosts that mean Streamlit, as for :func:`~.rewriting.rewrite_location`.
    """
    path = request.target.path
    is_page = request.method in ("GET", "HEAD") and not routing.is_streamlits_own(request.path)
    if not is_page or not path.endswith("/") or head.status // 100 != 3:
        return False
    location = rewriting.rewrite_location(head.named.get("location", ""), path, authorities)
    return location.partition("?")[0] == _without_slash(path)


def redirect(request: Request, start_response: StartResponse) -> Iterable[bytes]:
    """Redirect to a page's name without the slash, as Streamlit would.

    Where the proxy's own prefix looks like a page's name, the proxy redirects back to the
    slash. A cookie tells that from a first visit. Unlike Streamlit's redirect, this one isn't
    kept by browsers: it would outlive the mistake.

    :raise Failure: The browser goes round in circles.
    """
    path = request.target.path
    count = _headers.cookie_value(request.header("cookie"), routing.REDIRECTS_COOKIE)
    redirects = int(count) if count.isascii() and count.isdigit() and len(count) == 1 else 0
    if redirects >= _MOST_REDIRECTS:
        page = path.rstrip("/")
        wrong = f"The browser is sent from {path} to {page}, and from there back by a proxy."
        raise _failure(request, wrong, page, [_cookie("", 0)])
    location = _without_slash(path)
    if request.target.query is not None:
        location += f"?{request.target.query}"
    head = [
        ("Location", location),
        ("Content-Length", "0"),
        ("Cache-Control", "no-store"),
        _cookie(str(redirects + 1), _LOOP_LASTS),
    ]
    start_response("307 Temporary Redirect", head)
    return [b""]


def _without_slash(path: str) -> str:
    return paths.relative_reference(path, path.rstrip("/"))


def _cookie(value: str, max_age: int) -> tuple[str, str]:
    # Without a path: it is for the directory that was asked for (RFC 6265 5.1.4), whatever its
    # name is for the browser, and so for nothing else.
    attributes = f"Max-Age={max_age}; HttpOnly; SameSite=Lax"
    return "Set-Cookie", f"{routing.REDIRECTS_COOKIE}={value}; {attributes}"


def _failure(request: Request, wrong: str, prefix: str, headers: Headers | None = None) -> Failure:
    if _PROPOSED.fullmatch(prefix):
        hint = f"let it remove {prefix} from what it forwards, or set FLUXSYNC_ROOT_PATH={prefix}"
    else:
        prefix = "a path of its own"
        hint = "let it remove that from what it forwards"
    now = f" (it is {request.root} now)" if request.root else ""
    text = f"{wrong} If a proxy publishes this application under {prefix}, {hint}{now}."
    return Failure(404, text, headers)
