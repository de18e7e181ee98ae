"""Where a browser finds a port of this Posit Workbench session."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from urllib.parse import urlsplit

from ..config.platform import workbench_url
from ..exceptions import ConfigError

#: Posit's own program; it isn't in all images that sessions run in.
RSERVER_URL = "/usr/lib/rstudio-server/bin/rserver-url"


def find_url(environ: t.Mapping[str, str], port: int, program: str = RSERVER_URL) -> str:
    """Return the URL, or its path if the session doesn't know its server.

    It's worked out from the session's variables. If Posit's program is there and says something
    else, that is believed, and a line on standard error says so.

    :raise ConfigError: This is no session, or its variables make no sense.
    """
    name = "RS_SESSION_URL"
    value = environ.get(name, "")
    try:
        url = workbench_url(environ, port)
    except ValueError as e:
        raise ConfigError(name, value, source="environment", expected=f"a session ({e})") from e
    if not url:
        expected = "a session of Posit Workbench or RStudio Server; elsewhere, use fluxsync dev"
        raise ConfigError(name, value, source="environment", expected=expected)
    said = _ask(program, port)
    if said and urlsplit(said).path.rstrip("/") != urlsplit(url).path.rstrip("/"):
        sys.stderr.write(f"{program} says {said}, the session's variables say {url}\n")
        return said
    return url


def _ask(program: str, port: int) -> str:
    """Return what Posit's program says; empty if it isn't there, or fails.

    Older ones crash where a variable is missing.
    """
    try:
        answer = subprocess.run(  # noqa: S603
            [program, "-l", str(port)], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    url = answer.stdout.strip()
    return url if urlsplit(url).scheme in ("http", "https") else ""
