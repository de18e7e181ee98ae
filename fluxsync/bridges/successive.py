"""Serve a connection's next request in the thread that has served its last one.

Between two requests, gthread gives a connection back to its main loop, which waits for the next
one and queues it for a thread. That's dear where threads compete for the interpreter: a fifth of
what a small request costs. Browsers ask for the files of a page one after the other, so the next
request is mostly there at once.
"""

from __future__ import annotations

import select
import typing as t

from .heads import LOOK, MAX_HEAD, is_complete

#: How long, in milliseconds, a thread waits for the next request. If somebody comes meanwhile and
#: all threads wait, it's how long that takes at most.
_WAIT_MS = 3
#: So many requests in a row may one connection have, while others take turns.
_MOST = 100


class Successive:
    """Stands in for the ``handle`` of gunicorn's gthread worker, 24 to 27.

    Its pool's threads call it.
    """

    def __init__(self, worker: t.Any) -> None:
        self._worker = worker
        self._handle: t.Callable[[t.Any], object] = worker.handle

    def handle(self, conn: t.Any) -> object:
        """Serve a request, and those that follow at once; return what gunicorn's own does."""
        outcome = self._handle(conn)
        queue = self._worker.tpool._work_queue
        for _ in range(_MOST):
            # True is: the connection is kept. Whoever is queued comes first.
            if outcome is not True or not self._worker.alive or not queue.empty():
                break
            if conn.parser.unreader.buf.getvalue() or not _follows(conn.sock):
                break
            outcome = self._handle(conn)
        return outcome


def _follows(sock: t.Any) -> bool:
    """Return whether another request is there, after a moment at most."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    if not poller.poll(_WAIT_MS):
        return False
    try:
        head = sock.recv(MAX_HEAD, LOOK)
    except OSError:
        return False  # gunicorn finds out
    return is_complete(head, len(head))
