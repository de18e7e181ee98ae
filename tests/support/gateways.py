"""The gateway under gunicorn, as its own process, and how its requests are addressed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from tests.support import http, websocket
from tests.support.frames import Frame
from tests.support.processes import PYTHON, Server
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

WORKER_CLASSES = ("sync", "gthread", "gevent")
#: So that one slow request leaves room for another.
ROOM: dict[str, tuple[str, ...]] = {
    "sync": ("--workers", "2"),
    "gthread": ("--threads", "4"),
    "gevent": (),
}


@dataclass(frozen=True)
class Mount:
    """Where a gateway is published, and what of it is left in the request.

    :ivar root: Value of ``FLUXSYNC_ROOT_PATH``.
    :ivar sent: Prefix of the targets that reach the gateway.
    """

    root: str = ""
    sent: str = ""


MOUNTS = {
    "root": Mount(),
    "stripped": Mount("/subdir", ""),
    "full": Mount("/subdir", "/subdir"),
}


class Gateway(Server):
    """``gunicorn fluxsync.wsgi`` on a port of its own; ready when it is started.

    :ivar mount: Prepended to the targets of :meth:`get` and the others.
    """

    def __init__(
        self,
        worker_class: str = "gthread",
        *,
        upstream: FakeStreamlit | None = None,
        env: t.Mapping[str, str] | None = None,
        args: t.Iterable[str] = (),
        target: str = "fluxsync.wsgi",
        mount: Mount = MOUNTS["root"],
        ready: bool = True,
    ) -> None:
        """
        :param upstream: Streamlit server to front; ``None`` when ``env`` says what to start.
        :param args: More options for gunicorn; they win over the usual ones.
        :param ready: Whether the start ends when ``/readyz`` says so, else when it listens.
        """
        own = {"FLUXSYNC_ROOT_PATH": mount.root} if mount.root else {}
        if upstream is not None:
            own["FLUXSYNC_STREAMLIT_UPSTREAM"] = upstream.url
        command = ("-m", "gunicorn", target, "--bind", "127.0.0.1:0", "-k", worker_class)
        # gunicorn 27.0 loses a signal to a worker that has no handlers yet, and then waits
        # for that worker as long as this.
        patience = ("--graceful-timeout", "3")
        options = (*command, *ROOM[worker_class], *patience, *args)
        super().__init__(*PYTHON, *options, env={**own, **(env or {})})
        self.worker_class = worker_class
        self.mount = mount
        self.port = 0
        self._ready = ready

    def start(self) -> None:
        super().start()
        self.port = int(self.wait_for_line(r"Listening at: http://127\.0\.0\.1:(\d+)")[1])
        if self._ready:
            self.wait_ready()

    def wait_ready(self, timeout: float = 30.0) -> None:
        """Wait until ``/readyz`` answers 200."""
        eventually(self.is_ready, timeout, lambda: f"readiness of\n{self.output}")

    def is_ready(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"ended instead of getting ready:\n{self.output}")
        try:
            return self.get("/readyz").status == 200
        except (ConnectionError, TimeoutError):
            return False

    def target(self, path: str) -> str:
        return self.mount.sent + path

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{self.target(path)}"

    def connection(self) -> http.Connection:
        return http.Connection(self.port)

    def request(
        self,
        method: str,
        path: str,
        headers: t.Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> http.Response:
        return http.request(self.port, method, self.target(path), headers, body)

    def get(self, path: str, headers: t.Iterable[tuple[str, str]] = ()) -> http.Response:
        return self.request("GET", path, headers)

    def post(
        self, path: str, body: bytes, headers: t.Iterable[tuple[str, str]] = ()
    ) -> http.Response:
        return self.request("POST", path, headers, body)

    def websocket(
        self,
        headers: t.Iterable[tuple[str, str]] = (),
        glued: t.Iterable[Frame] = (),
        path: str = websocket.PATH,
    ) -> websocket.RawWebSocket:
        return websocket.RawWebSocket(self.port, self.target(path), headers, glued)
