"""Which processes the WSGI server has, and which of them stands for the whole server.

The supervisor lives as long as its *anchor*: the process whose end is the server's end, and
which all workers share. Apache and Passenger run many applications, and end the workers of one
that nobody uses, or that was removed. There, the supervisor follows them after a while.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import typing as t

if t.TYPE_CHECKING:
    import types

#: Seconds without workers after which a supervisor ends where the anchor serves others too:
#: longer than a restart takes, and than people need to find out that they forgot something.
LINGER = 60.0
_SHARED = ("mod_wsgi", "passenger")


@dataclasses.dataclass(frozen=True)
class Host:
    """The WSGI server around this process."""

    #: ``gunicorn worker``, ``gunicorn master``, ``uwsgi worker``, ``uwsgi master``, ``mod_wsgi``,
    #: ``passenger`` or ``standalone``.
    role: str
    #: Process whose end is the server's end.
    anchor: int
    #: Where the server listens, as ``http://host:port`` or ``https://host:port``, if that can
    #: be known.
    url: str = ""
    #: What the server was told to load, if that can be known.
    target: str = ""
    #: gunicorn's own object, where this is one of its workers.
    worker: t.Any = None
    #: What is wrong with the server's configuration, in a line for people.
    defect: str = ""

    @property
    def forks_later(self) -> bool:
        """Whether this process will fork, so that threads must not start here."""
        return self.role.endswith(" master")

    @property
    def is_serving(self) -> bool:
        """Whether this process is known to be one that serves requests."""
        return self.role.endswith(" worker") or self.role in _SHARED

    @property
    def linger(self) -> float | None:
        """Seconds that the supervisor stays without workers; ``None`` is until the anchor ends."""
        return LINGER if self.role in _SHARED else None

    @property
    def embeds_python(self) -> bool:
        """Whether the server's own program runs Python, and sets its path by itself."""
        return self.role == "mod_wsgi" or self.role.startswith("uwsgi ")


def find_host() -> Host:
    """Find out where this code runs.

    gunicorn gives applications no handle on itself. But it's on the call stack while it
    imports the application, in the worker or, with ``--preload``, in the master.
    """
    worker, arbiter = _gunicorn(sys._getframe())
    if worker is not None:
        # Not getppid(): that's another process already if the master was just killed.
        addresses = [listener.getsockname() for listener in worker.sockets]
        url, target = _gunicorn_url(worker.cfg, addresses), _gunicorn_target(worker)
        return Host("gunicorn worker", worker.ppid, url, target, worker)
    if arbiter is not None:
        url = _gunicorn_url(arbiter.cfg, arbiter.cfg.address)
        return Host("gunicorn master", os.getpid(), url, _gunicorn_target(arbiter))
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return _uwsgi(uwsgi)
    if "mod_wsgi" in sys.modules:
        # Its processes are Apache's children, in embedded mode and as daemons.
        return Host("mod_wsgi", os.getppid())
    if os.environ.get("IN_PASSENGER"):
        return Host("passenger", os.getppid())  # its core starts them all
    return Host("standalone", os.getpid())


def _uwsgi(uwsgi: t.Any) -> Host:
    # Without a master, the first worker is the parent of the others.
    first = [worker["pid"] for worker in uwsgi.workers()[:1]]
    anchor = uwsgi.masterpid() or (first[0] if first else 0) or os.getpid()
    threads = {"enable-threads", "threads"} & {_text(name) for name in uwsgi.opt}
    defect = (
        "" if threads else "uWSGI runs without threads; add enable-threads = true to its options"
    )
    # 0 is whoever loads the application before the fork.
    role = "uwsgi worker" if uwsgi.worker_id() else "uwsgi master"
    return Host(role, anchor, defect=defect)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


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


def call_in_workers(host: Host, call: t.Callable[[t.Any], None]) -> None:
    """Have each worker of a master call something right before it serves.

    :param host: This process, the master.
    :param call: Gets gunicorn's worker object, or ``None``.
    """
    if host.role.startswith("gunicorn"):
        _call_in_gunicorn(host.anchor, call)
        return
    uwsgi = sys.modules["uwsgi"]
    # What uwsgidecorators.postfork() uses as well.
    former = getattr(uwsgi, "post_fork_hook", None)

    def after_fork() -> None:
        if former is not None:
            former()
        if uwsgi.worker_id():  # not in its mules and spoolers
            call(None)

    uwsgi.post_fork_hook = after_fork  # type: ignore[attr-defined]


def _call_in_gunicorn(master: int, call: t.Callable[[t.Any], None]) -> None:
    """Have each of gunicorn's workers call something.

    For ``--preload``: the application is loaded in the master, where no thread may be, and
    not again in the workers. At the fork itself it would be too early, as gevent's worker
    has yet to patch what threads are made of; and gunicorn's USR2 forks as well, only to
    execute a new master.
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


def _gunicorn_url(config: t.Any, addresses: t.Iterable[object]) -> str:
    # Behind nginx's uwsgi_pass it may speak uWSGI's protocol (gunicorn 25).
    if str(getattr(config, "protocol", "http")).lower() != "http":
        return ""
    url = next(filter(None, map(listener_url, addresses)), "")
    return url.replace("http:", "https:", 1) if config.is_ssl else url


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
