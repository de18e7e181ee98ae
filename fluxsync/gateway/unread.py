"""Wait for no body of a request that is answered without it, and for silent clients not for ever.

RFC 9112 9.3: a server reads a request's whole body, or closes the connection. Before gunicorn's
gthread keeps a connection, it reads what is left of a body, for up to 5 s (gunicorn 27.0). Clients
that announce much and send little would hold one thread each, whatever they are refused for.
"""

from __future__ import annotations

import socket
import struct
import typing as t

from ..bridges.sockets import bytes_at_hand
from .delivery import client_socket, gunicorn_socket

if t.TYPE_CHECKING:
    from ..typing import StartResponse, WSGIEnvironment


def has_body(environ: WSGIEnvironment) -> bool:
    """Whether a request has a body, or may have one."""
    return bool(environ.get("CONTENT_LENGTH")) or "HTTP_TRANSFER_ENCODING" in environ


def limit_silence(environ: WSGIEnvironment, timeout: float) -> None:
    """Have reads of a body fail with OSError when its client sends nothing for so long.

    gunicorn's sync and gthread workers wait for ever otherwise, each in a thread. Not where TLS
    ends there, whose library reads again; gevent keeps no thread.

    :param timeout: Seconds; 0 is no limit.
    """
    client = client_socket(environ) if timeout else None
    if client is not None:
        # For reads only, as Python's own timeout isn't (socket(7)). Whoever is to read from the
        # connection afterwards looks first whether there's something.
        value = struct.pack("@ll", int(timeout), int(timeout % 1 * 1_000_000))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)


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
