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
        return Host(
            "gunicorn worker", os.getppid(), _gunicorn_url(worker), _gunicorn_target(worker)
        )
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


def _gunicorn_url(worker: t.Any) -> str:
    addresses = (listener.getsockname() for listener in worker.sockets)
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
    if host in ("0.0.0.0", ""):  # noqa: S104
        host = "127.0.0.1"
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
