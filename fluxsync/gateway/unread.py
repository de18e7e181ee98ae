"""Wait for no body of a request that is answered without it.

RFC 9112 9.3: a server reads a request's whole body, or closes the connection. Before gunicorn's
gthread keeps a connection, it reads what is left of a body, for up to 5 s (gunicorn 27.0). Clients
that announce much and send little would hold one thread each, whatever they are refused for.
"""

from __future__ import annotations

import typing as t

from ..bridges.sockets import bytes_at_hand
from .delivery import gunicorn_socket

if t.TYPE_CHECKING:
    from ..typing import StartResponse, WSGIEnvironment


def has_body(environ: WSGIEnvironment) -> bool:
    """Whether a request has a body, or may have one."""
    return bool(environ.get("CONTENT_LENGTH")) or "HTTP_TRANSFER_ENCODING" in environ


def close_unread(environ: WSGIEnvironment, start_response: StartResponse) -> None:
    """Have gunicorn close the connection if more of the body is to come than has come.

    The response's head says so. Other servers read bodies before they call the application, or
    close such connections by themselves.

    :param start_response: gunicorn's own, before the head is sent.
    """
    close = getattr(getattr(start_response, "__self__", None), "force_close", None)
    reader = getattr(environ.get("wsgi.input"), "reader", None)
    if close is None or reader is None:
        return
    left = getattr(reader, "length", None)
    if left is None:
        # In chunks. gunicorn drops what understands them at their end.
        if getattr(reader, "parser", None) is not None:
            close()
    elif left:
        client = gunicorn_socket(environ)
        if client is None or left > bytes_at_hand(environ, client):
            close()
