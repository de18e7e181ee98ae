"""The private socket on which pages reach the API where no URL of the server's is known.

Each worker process has one, in a directory that only this user can enter. Streamlit's process
connects to any of them: see :mod:`fluxsync.upstream.calls`.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import secrets
import socket
import threading
import time
import typing as t

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if t.TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from ..process.state import StateDirectory
    from ..typing import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("fluxsync.gateway")

#: In the environ of requests that came this way.
CALL = "fluxsync.call"
#: Calls that one worker answers at the same time; more wait.
_MOST = 64
#: Seconds until the next try to take a call.
_PAUSE = 0.1


class CallListener:
    """Serves a gateway to pages; made before a fork, opened after it.

    :param gateway: Gets their requests.
    :param grace: Seconds that calls may take to end when the process ends.
    """

    def __init__(self, gateway: WSGIApplication, grace: float) -> None:
        self._gateway = gateway
        self._grace = grace
        self._open: _Open | None = None

    def open(self, state: StateDirectory) -> None:
        """Listen, unless this process does already; one thread calls this.

        Nothing of it is cause to stop: the gateway goes on without.

        :param state: It may have been removed since the last call, and made anew.
        """
        former = self._open
        if former is not None and former.is_there():
            return
        try:
            opened = _Open(self._answer, state.calls)
        except OSError as e:
            logger.error("pages can't reach the API: %s", e)
            return
        self._open = opened
        if former is None:
            os.register_at_fork(after_in_child=self._leave)
        threading.Thread(target=opened.accept, name="fluxsync-calls", daemon=True).start()
        if former is None or former.pid != opened.pid:
            atexit.register(self.close)
        else:
            former.abandon()

    def close(self) -> None:
        """Take no more calls, and wait until those that are here have ended."""
        # Not in a process that a worker has forked for something else.
        if self._open is not None and self._open.pid == os.getpid():
            self._open.close(self._grace)

    def _leave(self) -> None:
        """Leave the socket to the process that serves it; called in those that it forks."""
        if self._open is not None:
            self._open.leave()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # Werkzeug makes the first letters of the path of these. No address is a peer on this
        # machine: it is no more trusted than any other.
        environ.update(SERVER_NAME="localhost", SERVER_PORT="80", REMOTE_ADDR="")
        environ[CALL] = True
        return self._gateway(environ, start_response)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave the access log to the gateway."""


class _Open:
    """A socket that is open, in one process.

    :param directory: Where it gets a name.
    :raise OSError: It can't be made.
    """

    def __init__(self, application: WSGIApplication, directory: pathlib.Path) -> None:
        self.pid = os.getpid()
        directory.mkdir(mode=0o700, exist_ok=True)
        name = secrets.token_hex(4)
        # Not longer than the supervisor's, whose length has been checked.
        self._path = directory / name
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            # It's listening by the time it gets the name under which it's found. So one that
            # refuses connections is dead, and anybody may remove it.
            nameless = directory.parent / f"{name}.new"
            listener.bind(os.fspath(nameless))
            try:
                nameless.chmod(0o600)
                listener.listen(128)
                self._server = ThreadedWSGIServer(
                    f"unix://{nameless}", 0, application, _Handler, fd=listener.fileno()
                )
                nameless.rename(self._path)
            except BaseException:
                nameless.unlink(missing_ok=True)
                raise
        self._closing = False
        self._room = threading.BoundedSemaphore(_MOST)
        self._ended = threading.Event()

    def is_there(self) -> bool:
        """Whether this process has it, and it can be found."""
        return self.pid == os.getpid() and self._path.exists()

    def accept(self) -> None:
        """Answer until the end; the thread's target."""
        # Not serve_forever(), which waits with a selector that gevent doesn't know.
        while True:
            try:
                sock, address = self._server.get_request()
            except OSError:
                if self._closing:
                    break  # everybody who has found it is answered
                time.sleep(_PAUSE)  # too many open files
                continue
            if self._closing:
                self._server.socket.setblocking(False)
            self._room.acquire()
            call = threading.Thread(
                target=self._serve, args=(sock, address), name="fluxsync-call", daemon=True
            )
            try:
                call.start()
            except RuntimeError:  # too many threads
                self._server.shutdown_request(sock)
                self._room.release()
        self._server.server_close()
        self._ended.set()

    def _serve(self, sock: t.Any, address: t.Any) -> None:
        try:
            self._server.process_request_thread(sock, address)
        finally:
            self._room.release()

    def leave(self) -> None:
        """Have it open no more in this process, which is another one.

        Else it would outlive the one that serves it, and pages would wait for an answer.
        """
        file = self._server.socket.fileno()
        if file >= 0:
            # The number stays taken, as the object would close it some day.
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(nothing, file, inheritable=False)
            os.close(nothing)

    def abandon(self) -> None:
        """End the thread of a socket that nobody can find any more."""
        self._closing = True
        # The one wakes a thread, the other a greenlet.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def close(self, grace: float) -> None:
        """Take no more calls, and wait until those that are here have ended.

        :param grace: Most seconds to wait.
        """
        deadline = time.monotonic() + grace
        farewell = self._path.parent.with_name(f"{self._path.name}.end")
        try:
            self._path.rename(farewell)
            self._closing = True
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
                # The thread waits for a connection, and nothing else wakes it.
                knock.settimeout(1.0)
                knock.connect(os.fspath(farewell))
            farewell.unlink(missing_ok=True)
        except OSError:
            return  # the directory is gone, and so is Streamlit: nobody waits for an answer
        self._ended.wait(max(0.0, deadline - time.monotonic()))
        for _ in range(_MOST):
            if not self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
                break
