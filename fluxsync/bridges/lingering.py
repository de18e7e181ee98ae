"""Close clients' connections in good order, without a server that waits for it.

RFC 9112 9.6: a server closes its own direction first and then reads on for a while, lest the
client lose the end of the response. gunicorn has done so since 26.0, for up to 2 s, where it
serves nobody else meanwhile: in the sync worker, and in the main loop of gthread. One client
that asks for ``Connection: close``, or sends nonsense, and keeps its own direction open stalls
everybody's requests. Here, one thread does the waiting for all of them.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import typing as t

from .farewells import Farewell

if t.TYPE_CHECKING:
    from .loop import Loop

#: Seconds in which most clients nearby have closed their side; a thread's help costs more.
_MOMENT = 0.001
#: What a client may have sent that nobody reads, to be thrown away at once.
_UNREAD = 64 * 1024


class Lingerer:
    """Closes connections, with a loop's thread for those whose clients take their time.

    :param most: How many clients may be in the loop; further connections are closed at once.
    """

    def __init__(self, loop: Loop, most: int) -> None:
        self._loop = loop
        self._most = most

    def close(self, sock: socket.socket, *_: object, **__: object) -> None:
        """Close a connection as ``gunicorn.util.close_graceful`` does, but don't wait.

        Any thread may call it. Like gunicorn's, it ends TLS without ``close_notify``.
        """
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.settimeout(_MOMENT)
            is_over = not sock.recv(_UNREAD)
        except (BlockingIOError, TimeoutError):
            is_over = False
        except OSError:  # the client has gone already
            is_over = True
        if is_over or len(self._loop.tasks) >= self._most:
            with contextlib.suppress(OSError):
                sock.close()
            return
        # The server's object is closed like this, too.
        family, kind, number = sock.family, sock.type, sock.detach()
        self._loop.call(lambda: self._linger(socket.socket(family, kind, fileno=number)))

    def _linger(self, sock: socket.socket) -> None:
        Farewell(self._loop, sock).start()


def install(loop: Loop, most: int) -> bool:
    """Have gunicorn's workers in this process close connections like this.

    They call it by its name in its module, after error pages of their own, too.

    :param most: See :class:`Lingerer`.

    :return: Whether this gunicorn lingers at all.
    """
    util: t.Any = sys.modules.get("gunicorn.util")
    lingers = hasattr(util, "close_graceful")
    if lingers:
        util.close_graceful = Lingerer(loop, most).close
    return lingers
