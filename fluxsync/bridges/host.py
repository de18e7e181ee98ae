"""Which processes the WSGI server has, and which of them stands for the whole server.

The supervisor lives as long as its *anchor*: the process whose end is the server's end.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import typing as t

if t.TYPE_CHECKING:
    import types


@dataclasses.dataclass(frozen=True)
class Host:
    """The WSGI server around this process."""

    #: ``gunicorn worker``, ``gunicorn master``, ``uwsgi`` or ``standalone``.
    role: str
    #: Process whose end is the server's end.
    anchor: int
    #: Where the server listens, as ``http://host:port``, if that can be known.
    url: str = ""
    #: What the server was told to load, if that can be known.
    target: str = ""
    #: gunicorn's own object, where this is one of its workers.
    worker: t.Any = None

    @property
    def forks_later(self) -> bool:
        """Whether this process will fork, so that threads must not start here."""
        return self.role == "gunicorn master"


def find_host() -> Host:
    """Find out where this code runs.

    gunicorn gives applications no handle on itself. But it's on the call stack while it
    imports the application, in the worker or, with ``--preload``, in the master.
    """
    worker, arbiter = _gunicorn(sys._getframe())
    if worker is not None:
        # Not getppid(): that's another process already if the master was just killed.
        url, target = _gunicorn_url(worker.sockets), _gunicorn_target(worker)
        return Host("gunicorn worker", worker.ppid, url, target, worker)
    if arbiter is not None:
        url = next(filter(None, map(listener_url, arbiter.cfg.address)), "")
        return Host("gunicorn master", os.getpid(), url, _gunicorn_target(arbiter))
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return Host("uwsgi", uwsgi.masterpid() or os.getpid())
    return Host("standalone", os.getpid())


def _gunicorn(frame: types.FrameType | None) -> tuple[t.Any, t.Any]:
    worker_class = getattr(sys.modules.get("gunicorn.workers.base"), "Worker", ())
    arbiter_class = getattr(sys.modules.get("gunicorn.arbiter"), "Arbiter", ())
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, worker_class):
            return owner, None
        if isinstance(owner, arbiter_class):
            # A worker's frames lie within the arbiter's, so this is the arbiter itself.
            return None, owner
        frame = frame.f_back
    return None, None


def call_in_workers(master: int, call: t.Callable[[t.Any], None]) -> None:
    """Have each of gunicorn's workers call something right before it serves.

    For ``--preload``: the application is loaded in the master, where no thread may be, and
    not again in the workers. At the fork itself it would be too early, as gevent's worker
    has yet to patch what threads are made of; and gunicorn's USR2 forks as well, only to
    execute a new master.

    :param master: Process id of this process, the master.
    :param call: Gets gunicorn's worker object.
    """

    def prepare() -> None:
        worker = _forked_worker(sys._getframe()) if os.getppid() == master else None
        if worker is None:
            return  # a fork for something else; if not, the first request calls

        def call_and_run() -> None:
            del worker.run  # the class's own is back, unless the call replaces it
            call(worker)
            worker.run()

        worker.run = call_and_run

    os.register_at_fork(after_in_child=prepare)


def _forked_worker(frame: types.FrameType | None) -> t.Any:
    """Return the worker that ``Arbiter.spawn_worker`` is forking for."""
    worker_class = getattr(sys.modules.get("gunicorn.workers.base"), "Worker", ())
    while frame is not None:
        if frame.f_code.co_name == "spawn_worker":
            worker = frame.f_locals.get("worker")
            return worker if isinstance(worker, worker_class) else None
        frame = frame.f_back
    return None


def _gunicorn_url(listeners: t.Iterable[t.Any]) -> str:
    addresses = (listener.getsockname() for listener in listeners)
    return next(filter(None, map(listener_url, addresses)), "")


def _gunicorn_target(owner: t.Any) -> str:
    uri = str(getattr(owner.app, "app_uri", None) or "")
    if uri.startswith("fluxsync.wsgi"):
        return ""  # what it loads is meant
    return uri if ":" in uri or not uri else f"{uri}:application"


def listener_url(address: object) -> str:
    """Return the URL at which a listener is reached from this machine, or ``""``."""
    if not isinstance(address, tuple):
        return ""
    host, port = str(address[0]), int(address[1])
    if not port:
        return ""  # not bound yet
    if host in ("0.0.0.0", ""):  # noqa: S104
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
