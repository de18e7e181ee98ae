"""Let clients of HTTP/1.0 see that a response broke off.

Without a length and without chunks, a response ends with its connection (RFC 9112 6.3), and one
that broke off looks complete. nginx speaks HTTP/1.0 to its upstreams unless it's told otherwise.
uWSGI never sends chunks by itself. A connection that is reset instead of closed is an error to
everybody.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import typing as t

from ..bridges import sockets
from ..exceptions import BridgeError, UpstreamError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ..typing import WSGIEnvironment
    from ..upstream.body import UpstreamBody

#: Close with a reset: linger, for no time.
_ABORT = struct.pack("@ii", 1, 0)


def ends_with_connection(environ: WSGIEnvironment) -> bool:
    """Whether a response without a length has the connection's end for its own."""
    return environ.get("SERVER_PROTOCOL") == "HTTP/1.0" or "uwsgi.version" in environ


class ResettingBody:
    """A response's body that resets the client's connection when it breaks off."""

    def __init__(self, body: UpstreamBody, environ: WSGIEnvironment) -> None:
        self._body = body
        self._environ = environ

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except UpstreamError:
            # Where the server keeps its socket to itself, or ends TLS, nothing can be done.
            with contextlib.suppress(BridgeError, OSError):
                _reset(sockets.find_socket(self._environ))
            raise

    def close(self) -> None:
        """Close the body."""
        self._body.close()


def _reset(client: socket.socket) -> None:
    """Reset a connection under the server's hands, which would close it in an orderly way."""
    if sockets.can_leave(client):
        taken = sockets.take_plain(client)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        taken.close()
