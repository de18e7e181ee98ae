"""The host around this process, as its environment variables tell it."""

from __future__ import annotations

import dataclasses
import typing as t
from urllib.parse import urlsplit

from ..sansio import workbench
from ..sansio.paths import normalize_mount
from ..sansio.rootpath import Guess

if t.TYPE_CHECKING:
    from .settings import FluxSyncSettings

#: Of a template such as ``https://example.org/proxy/{{port}}/``.
_PORT = "{{port}}"


@dataclasses.dataclass(frozen=True)
class Platform:
    """A host, and what follows from its being this one."""

    #: Its name for people; empty for a host that needs nothing special.
    name: str = ""
    #: Posit Connect: its header fields are believed, and it moves cookies by itself.
    is_connect: bool = False
    #: Under which path it may publish the port.
    guesses: tuple[Guess, ...] = ()
    #: Origins that browsers see although the ``Host`` field doesn't say so.
    origins: tuple[str, ...] = ()
    #: Where a browser finds the port, if that's known; a path if the host isn't.
    url: str = ""


def find_platform(environ: t.Mapping[str, str], port: int) -> Platform:
    """Return the host that this process runs on.

    Variables that make no sense are no evidence, and as good as absent.

    :param port: Port that the WSGI server listens on; 0 if it isn't known.
    """
    product = environ.get("POSIT_PRODUCT") or environ.get("RSTUDIO_PRODUCT")
    if product == "CONNECT":
        return Platform("Posit Connect", is_connect=True)
    if not port:
        return Platform()
    for find in (_workbench, _vscode, _uvicorn, _jupyterhub):
        platform = find(environ, port)
        if platform is not None:
            return platform
    return Platform()


def public_url(settings: FluxSyncSettings, platform: Platform) -> str:
    """Return where browsers find the application, if that's known; it ends with a slash."""
    return f"{settings.public_base_url}/" if settings.public_base_url else platform.url


def workbench_url(environ: t.Mapping[str, str], port: int) -> str:
    """Return where a browser finds a port of this Posit Workbench session; empty if it's none.

    :raise ValueError: The session's variables make no sense.
    """
    session = environ.get("RS_SESSION_URL", "")
    if not session:
        return ""
    token = environ.get("RS_PORT_TOKEN") or workbench.DEFAULT_TOKEN
    return workbench.browser_url(environ.get("RS_SERVER_URL", ""), session, port, token)


def _workbench(environ: t.Mapping[str, str], port: int) -> Platform | None:
    try:
        url = workbench_url(environ, port)
    except ValueError:
        return None
    return _publisher("Posit Workbench", url, "RS_SESSION_URL")


def _vscode(environ: t.Mapping[str, str], port: int) -> Platform | None:
    template = environ.get("VSCODE_PROXY_URI", "")
    if _PORT not in template:
        return None  # an editor on the same machine
    url = template.replace(_PORT, str(port))
    # code-server has a second way, which leaves the path in the request.
    return _publisher("VS Code", url, "VSCODE_PROXY_URI", ("/proxy/", "/absproxy/"))


def _uvicorn(environ: t.Mapping[str, str], port: int) -> Platform | None:
    # Posit Workbench (2022.10) sets it in its editors, for this port only.
    url = environ.get("UVICORN_ROOT_PATH", "")
    return _publisher("Posit Workbench", url, "UVICORN_ROOT_PATH") if port == 8000 else None


def _jupyterhub(environ: t.Mapping[str, str], port: int) -> Platform | None:
    prefix = environ.get("JUPYTERHUB_SERVICE_PREFIX", "")
    if not prefix:
        return None
    path = f"{prefix.rstrip('/')}/proxy/{port}/"
    rule = "JUPYTERHUB_SERVICE_PREFIX"
    return _publisher("JupyterHub", path, rule, ("/proxy/", "/proxy/absolute/"))


def _publisher(
    name: str, url: str, rule: str, unstripped: tuple[str, str] | None = None
) -> Platform | None:
    """Return a host that publishes the port under a URL or path.

    :param unstripped: What in the path to replace by what, for the way that removes nothing.
    """
    try:
        parts = urlsplit(url)
        path = normalize_mount(parts.path)
    except ValueError:
        return None
    if not url:
        return None
    guesses = [Guess(path, rule)] if path else []
    if path and unstripped:
        before, found, after = path.rpartition(unstripped[0])
        if found:
            guesses.append(Guess(f"{before}{unstripped[1]}{after}", rule, is_stripped=False))
    is_url = bool(parts.netloc) and parts.scheme in ("http", "https")
    origins = (f"{parts.scheme}://{parts.netloc}",) if is_url else ()
    # What removes nothing comes first: a path that a request has is worth more than a guess.
    return Platform(name, guesses=tuple(reversed(guesses)), origins=origins, url=url)
