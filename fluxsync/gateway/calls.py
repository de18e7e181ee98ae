"""The private socket on which pages reach the API, without a way through the public listener.

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

from .answering import Conversation, leave, make_config

if t.TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from ..process.state import StateDirectory
    from ..typing import Headers, StartResponse, WSGIApplication, WSGIEnvironment
    from ..upstream.ways import Offer
    from .request import Request

logger = logging.getLogger("fluxsync.gateway")

#: In the environ of requests that came this way.
CALL = "fluxsync.call"
#: Calls that one worker answers at the same time; more wait.
_MOST = 64
#: Connections that are kept between calls. The others make room for those that wait.
_KEPT = 32
#: Seconds until the next try to take a call.
_PAUSE = 0.1


def in_callers_terms(
    start_response: StartResponse, request: Request, mount: str, public: tuple[str, str] | None
) -> StartResponse:
    """Return a ``start_response`` whose redirects within the API are to paths as pages know them.

    The API's own links are those of browsers: they begin with the public URL and have the root
    path, and would lead a page out through the listener.

    :param public: Scheme and host of the public URL, if there's one.
    """
    scheme, host = public or (request.client.scheme, request.client.host)
    root = request.root + mount

    def respond(status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        if status.startswith("3"):
            headers = [
                (name, translated(value) if name.lower() == "location" else value)
                for name, value in headers
            ]
        return (
            start_response(status, headers, exc_info)
            if exc_info
            else start_response(status, headers)
        )

    def translated(location: str) -> str:
        path = location.removeprefix(f"{scheme}://{host}")
        return mount + path[len(root) :] if path.startswith(f"{root}/") else location

    return t.cast("StartResponse", respond)


class CallListener:
    """Serves a gateway to pages; made before a fork, opened after it.

    :param gateway: Gets their requests.
    :param grace: Seconds that calls may take to end when the process ends.
    :param offer: Told where this process's own calls find it.
    :param is_held: Whether nobody finds it before :meth:`release`.
    """

    def __init__(
        self,
        gateway: WSGIApplication,
        grace: float,
        offer: Offer | None = None,
        *,
        is_held: bool = False,
    ) -> None:
        self._is_held = is_held
        self._gateway = gateway
        self._grace = grace
        self._offer = offer
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
        if former is None:
            os.register_at_fork(after_in_child=self._leave)
        is_first = former is None or former.pid != opened.pid
        if is_first:
            # Before it can be found: who finds it may count on an answer.
            atexit.register(self.close)
        threading.Thread(target=opened.accept, name="fluxsync-calls", daemon=True).start()
        self._open = opened
        # In this order, and the other one in release(): one of them sees the other's change.
        if not self._is_held:
            opened.publish()
        if self._offer is not None:
            self._offer.directory = os.fspath(state.calls)
        if not is_first and former is not None:
            former.abandon()

    def release(self) -> None:
        """Be found, once the application is loaded; any thread may call this, more than once.

        While a module is still being imported, its API has some of its routes only.
        """
        self._is_held = False
        if self._open is not None and self._open.pid == os.getpid():
            self._open.publish()

    def close(self) -> None:
        """Take no more calls, and wait until those that are here have ended."""
        self._is_held = True  # from one that is about to be opened
        if self._offer is not None:
            self._offer.withdraw()
        # Not in a process that a worker has forked for something else.
        if self._open is not None and self._open.pid == os.getpid():
            self._open.close(self._grace)

    def _leave(self) -> None:
        """Leave the socket to the process that serves it; called in those that it forks."""
        if self._open is not None:
            self._open.leave()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # No address is a peer on this machine: it is no more trusted than any other.
        environ[CALL] = True
        return self._gateway(environ, start_response)


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
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # It's listening by the time it gets the name under which it's found. So one that
            # refuses connections is dead, and anybody may remove it.
            self._nameless = directory.parent / f"{name}.new"
            self._listener.bind(os.fspath(self._nameless))
            try:
                self._nameless.chmod(0o600)
                self._listener.listen(128)
            except BaseException:
                self._nameless.unlink(missing_ok=True)
                raise
        except BaseException:
            self._listener.close()
            raise
        self._application = application
        self._config = make_config()
        self._closing = False
        self._room = threading.BoundedSemaphore(_MOST)
        self._ended = threading.Event()
        #: Each has a thread. Changed by calls that the interpreter doesn't interrupt.
        self._conversations: dict[int, Conversation] = {}

    def is_there(self) -> bool:
        """Whether this process has it, and it can be found, now or once it's published."""
        exists = self._path.exists() or self._nameless.exists() or self._path.exists()
        return self.pid == os.getpid() and exists

    def publish(self) -> None:
        """Give it the name under which it's found."""
        with contextlib.suppress(FileNotFoundError):  # it has it already
            self._nameless.rename(self._path)

    def accept(self) -> None:
        """Answer until the end; the thread's target."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    break  # everybody who has found it is answered
                time.sleep(_PAUSE)  # too many open files
                continue
            if self._closing:
                self._listener.setblocking(False)
            self._room.acquire()
            call = threading.Thread(
                target=self._serve, args=(sock,), name="fluxsync-call", daemon=True
            )
            try:
                call.start()
            except RuntimeError:  # too many threads
                sock.close()
                self._room.release()
        self._listener.close()
        self._ended.set()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock:
                conversation = Conversation(sock, self._application, self._config, self._keeps)
                self._conversations[id(conversation)] = conversation
                try:
                    if self._closing:
                        conversation.end()
                    conversation.serve()
                finally:
                    del self._conversations[id(conversation)]
        finally:
            self._room.release()

    def _keeps(self) -> bool:
        return not self._closing and len(self._conversations) <= _KEPT

    def _end_conversations(self) -> None:
        for conversation in tuple(self._conversations.values()):
            conversation.end()

    def leave(self) -> None:
        """Have it open no more in this process, which is another one.

        Else it would outlive the one that serves it, and pages would wait for an answer.
        """
        leave(self._listener)
        for conversation in self._conversations.values():
            conversation.leave()

    def abandon(self) -> None:
        """End the thread of a socket that nobody can find any more."""
        self._closing = True
        # The one wakes a thread, the other a greenlet.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_conversations()

    def close(self, grace: float) -> None:
        """Take no more calls, and wait until those that are here have ended.

        :param grace: Most seconds to wait.
        """
        deadline = time.monotonic() + grace
        farewell = self._path.parent.with_name(f"{self._path.name}.end")
        self._nameless.unlink(missing_ok=True)
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
        self._end_conversations()
        self._ended.wait(max(0.0, deadline - time.monotonic()))
        for _ in range(_MOST):
            if not self._room.acquire(timeout=max(0.0, deadline - time.monotonic())):
                break
