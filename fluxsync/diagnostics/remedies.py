"""What to write, and where: for nginx to the letter, for others in words. No I/O."""

from __future__ import annotations

#: What the ``Server`` field of nginx, and of what is made of it, has in it.
_NGINXES = ("nginx", "openresty", "tengine")

_NGINX = {
    "upgrade": (
        "proxy_http_version 1.1;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $http_connection;",
    ),
    "host": ("proxy_set_header Host $http_host;",),
    "scheme": ("proxy_set_header X-Forwarded-Proto $scheme;",),
    "timeout": ("proxy_read_timeout 1h;", "proxy_send_timeout 1h;"),
    "body": ("client_max_body_size 0;",),
    "buffering": ("proxy_buffering off;",),
    "redirect": ("proxy_redirect off;",),
}

_WORDS = {
    "upgrade": "In the proxy: pass WebSocket upgrades on (HTTP/1.1, the fields Upgrade and Connection).",
    "host": "In the proxy: pass the Host field on as the browser sent it.",
    "scheme": "In the proxy: set X-Forwarded-Proto to the scheme that the browser used.",
    "timeout": "In the proxy: let a connection be silent for at least 60 seconds.",
    "body": "In the proxy: raise the limit of a request's body.",
    "buffering": "In the proxy: pass responses on as they come, without collecting them first.",
    "two": "In the proxy: allow a browser several requests at a time.",
    "redirect": "In the proxy: leave the Location field as it is.",
    "files": "In the proxy: leave the files under static/ to fluxsync, with their header fields.",
    "doubled": "In the proxy: replace these fields, or leave them; don't add others.",
    "path": "In the proxy: pass this path on to fluxsync, like all others.",
}


def write(what: str, server: str, *settings: str) -> tuple[str, ...]:
    """Return the lines of a remedy.

    :param what: A key of the tables above.
    :param server: The ``Server`` field of an answer.
    :param settings: Lines for fluxsync's own settings.
    """
    if what in _NGINX and any(name in server.lower() for name in _NGINXES):
        lines = [f"nginx: {_NGINX[what][0]}", *(f"       {line}" for line in _NGINX[what][1:])]
    else:
        lines = [_WORDS[what]]
    return (*lines, *settings)
