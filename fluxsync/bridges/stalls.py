"""Keep clients that are slow, silent or won't go from stalling gunicorn's workers.

gunicorn gives applications no say in this. But where it's found on the call stack, which
:mod:`.host` does, its listeners can be replaced, and no special worker class is needed.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import sys
import time
import typing as t

from . import lingering
from .loop import Loop

if t.TYPE_CHECKING:
    from .vestibule import Vestibule

#: How long, in seconds, a sync worker that stops waits for the rest of heads.
_LAST_CALL = 2.0
#: How long it waits before it looks whether all have gone.
_TURN = 0.1
#: How many clients may be waited for, for each reason.
MAX_LATE = 1000
#: How long a connection that sends nothing waits outside. tcp(7): it's accepted then.
_DEFER_SECONDS = 30


def prevent_stalls(worker: t.Any, header_timeout: float) -> None:
    """Prepare one of gunicorn's workers, before it serves.

    :param header_timeout: Seconds that a client may take to send its request's head; 0 is no
        limit, and then gunicorn itself waits for it.
    """
    defer_accept(worker.sockets)
    if not _waits_for_clients(worker) or hasattr(worker, "fluxsync_loop"):
        return
    # Its thread starts with the first client who is late.
    loop = worker.fluxsync_loop = Loop("fluxsync-clients")
    most = min(MAX_LATE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
    lingering.install(loop, most)
    if header_timeout and hasattr(select, "epoll") and _speaks_plain_http(worker):
        _wait_for_heads(worker, loop, header_timeout, most)


def _wait_for_heads(worker: t.Any, loop: Loop, timeout: float, most: int) -> None:
    from .gate import Gate  # these need epoll
    from .successive import Successive
    from .vestibule import Vestibule

    if hasattr(worker, "method_queue"):  # gthread since gunicorn 24
        most = min(most, worker.worker_connections // 2)
        worker.enqueue_req = Gate(worker, loop, timeout, most).enqueue
        worker.handle = Successive(worker).handle
        return
    vestibules = [
        Vestibule(listener, loop, timeout, most) for listener in worker.sockets if _is_tcp(listener)
    ]
    others = [listener for listener in worker.sockets if not _is_tcp(listener)]
    # What sync waits for. gunicorn has it ready before it loads the application.
    worker.wait_fds = [*vestibules, *others, *worker.wait_fds[len(worker.sockets) :]]
    worker.sockets = [*vestibules, *others]
    if not hasattr(worker, "tpool"):  # sync
        worker.run = lambda: _run_and_empty(worker, vestibules)


def _run_and_empty(worker: t.Any, vestibules: list[Vestibule]) -> None:
    """Have a sync worker serve those, too, who are inside when it stops."""
    type(worker).run(worker)
    for vestibule in vestibules:
        vestibule.lock_up()
    deadline = time.monotonic() + _LAST_CALL
    while (left := deadline - time.monotonic()) > 0:
        inside = [vestibule for vestibule in vestibules if not vestibule.is_empty]
        if not inside:
            return
        worker.notify()
        for vestibule in select.select(inside, [], [], min(left, _TURN))[0]:
            with contextlib.suppress(BlockingIOError):
                worker.accept(vestibule)


def defer_accept(listeners: t.Iterable[t.Any]) -> None:
    """Have gunicorn accept only connections that have sent something.

    Browsers open connections ahead of need. One of these holds a sync worker until it's
    killed for being late, and four hold as many threads of gthread for 5 s (gunicorn 27.0).
    The option belongs to the listening socket, so it holds for all workers.
    """
    option = getattr(socket, "TCP_DEFER_ACCEPT", None)
    if option is None:
        return  # not on Linux
    for listener in listeners:
        if _is_tcp(listener):
            with contextlib.suppress(OSError):
                sock = getattr(listener, "sock", listener)
                sock.setsockopt(socket.IPPROTO_TCP, option, _DEFER_SECONDS)


def _waits_for_clients(worker: t.Any) -> bool:
    """Whether others wait while this kind of worker waits for a client. gevent's don't."""
    return any(
        isinstance(worker, getattr(sys.modules.get(f"gunicorn.workers.{module}"), name, ()))
        for module, name in (("sync", "SyncWorker"), ("gthread", "ThreadWorker"))
    )


def _speaks_plain_http(worker: t.Any) -> bool:
    """Whether the first thing that clients send is a request as HTTP/1 has it."""
    return not worker.cfg.is_ssl and getattr(worker.cfg, "protocol", "http") == "http"


def _is_tcp(listener: t.Any) -> bool:
    return listener.family in (socket.AF_INET, socket.AF_INET6)
