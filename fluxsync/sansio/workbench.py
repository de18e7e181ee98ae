"""The paths under which Posit Workbench publishes a session's ports. No I/O.

RStudio Server and Workbench show a port that listens in a session as ``.../p/TOKEN/``. The
token hides the port, differently in each session; the way is that of RStudio's own
``rserver-url`` (rstudio/rstudio, ``src/cpp/server_core/UrlPorts.cpp``).
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

#: RStudio's ``kDefaultPortToken``, for sessions without ``RS_PORT_TOKEN``.
DEFAULT_TOKEN = "a433e59dc087"  # noqa: S105

_SCHEMES = ("", "http", "https")
_FACTOR, _INVERSE, _MODULUS = 8854, 61279, 65535


def hide_port(port: int, token: str = DEFAULT_TOKEN) -> str:
    """Return what stands for a port in a URL.

    :param token: The session's ``RS_PORT_TOKEN``: 12 hexadecimal digits.
    :raise ValueError: The token isn't one.
    """
    multiplier, key = _split(token)
    return f"{(port * _FACTOR % _MODULUS * multiplier) ^ key:08x}"


def show_port(hidden: str, token: str = DEFAULT_TOKEN) -> int:
    """Return the port that was hidden.

    :raise ValueError: The token isn't one, or hides no port like this.
    """
    multiplier, key = _split(token)
    product = int(hidden, 16) ^ key
    if not multiplier or product % multiplier:
        raise ValueError(f"{hidden!r} hides no port")
    return product // multiplier * _INVERSE % _MODULUS


def browser_url(server_url: str, session_url: str, port: int, token: str = DEFAULT_TOKEN) -> str:
    """Return the URL at which a browser reaches a port of the session.

    :param server_url: ``RS_SERVER_URL``, where Workbench is; may be empty.
    :param session_url: ``RS_SESSION_URL``: a path, a URL, or one without a scheme.
    :return: It's a path if no variable says where Workbench is.
    :raise ValueError: What the variables say makes no URL.
    """
    server, session = urlsplit(server_url), urlsplit(session_url)
    if (server_url and not server.netloc) or server.scheme not in _SCHEMES:
        raise ValueError(f"{server_url!r} is not the URL of Workbench")
    if session.scheme not in _SCHEMES:
        raise ValueError(f"{session_url!r} is not the URL of a session")
    path = session.path.strip("/")
    mount = server.path.strip("/")
    if mount and not session.netloc and path != mount and not path.startswith(f"{mount}/"):
        path = f"{mount}/{path}".rstrip("/")
    base = urljoin(server_url, session_url) if session.netloc else server_url
    url = urljoin(base, "/".join(["", *filter(None, [path]), "p", hide_port(port, token), ""]))
    return url


def _split(token: str) -> tuple[int, int]:
    if len(token) != 12:
        raise ValueError(f"a port token has 12 hexadecimal digits, and {token!r} hasn't")
    return int(token[:4], 16), int(token[4:], 16)
