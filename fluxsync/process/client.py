"""A gateway worker's line to the supervisor.

Each worker process has one connection. Over it come the tables, and over it the sockets of
WebSockets go. Whoever finds no supervisor starts one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import typing as t

from ..exceptions import FluxSyncError, SupervisorError
from ..sansio.balancing import Row, Table
from ..sansio.supervision import State
from . import wire
from .lifetime import Anchor
from .spec import Spec
from .state import StateDirectory, remove_stale

logger = logging.getLogger("fluxsync.process")

#: Seconds between tries while somebody else starts the supervisor, and at most, when it can't
#: be started.
_RETRY, _RETRY_LATER = 0.05, 10.0
#: So many starts in vain are no coincidence.
_TRIES = 3
#: Seconds that requests wait for a supervisor that has just been started, or has just gone.
_FIRST_TABLE = 2.0
#: Seconds that a hand-over may take before the supervisor counts as gone.
_SEND_TIMEOUT = 5.0

#: The supervisor's program. It forks, so that it's nobody's child: gunicorn before 26 stops
#: when any child of its master exits with status 3 or 4. Isolated and without site-packages,
#: it has the standard library and fluxsync, and starts in 30 ms.
_PROGRAM = """\
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
sys.path.append(sys.argv[1])
from fluxsync.serving.supervisord import main
main(sys.argv[2:])
"""


class SupervisorClient:
    """Keeps the connection, from a thread of its own.

    Make it before a fork, :meth:`start` it after: nothing that a fork would break exists
    until then.
    """

    def __init__(self, state: StateDirectory, spec: Spec, anchor: Anchor) -> None:
        self._state = state
        self._spec = spec
        self._anchor = anchor
        self._start_lock = threading.Lock()
        self._pid = 0
        self._lock: threading.Lock
        self._known: threading.Event
        self._sock: socket.socket | None = None
        self._table = Table()
        self._wait_until = 0.0
        self._launches = 0
        self._launch_at = 0.0

    def start(self) -> None:
        """Connect, and stay connected. Does nothing if this process has done so already."""
        if self._pid == os.getpid():
            return
        with self._start_lock:
            if self._pid == os.getpid():
                return
            # Made here, not before a fork or before gevent has patched what they're made of.
            self._lock = threading.Lock()
            self._known = threading.Event()
            self._sock = None
            self._table = Table()
            self._wait_until = time.monotonic() + _FIRST_TABLE
            if not self._state.socket.exists():
                # Not left to the thread: a worker that ends right after its start would stop
                # that one anywhere, and leave a directory that nobody removes.
                self._elect()
            threading.Thread(target=self._keep, name="fluxsync-supervisor", daemon=True).start()
            self._pid = os.getpid()

    @property
    def table(self) -> Table:
        """The latest table, replaced as a whole; read it once per request.

        A process that has just started waits a moment for its first one: the requests that
        come meanwhile shouldn't be told that there's no Streamlit.
        """
        if not self._table.rows:
            self._known.wait(max(0.0, self._wait_until - time.monotonic()))
        return self._table

    def hand_over(
        self, session: t.Mapping[str, str], early: tuple[bytes, bytes], sockets: tuple[int, int]
    ) -> None:
        """Give a WebSocket to the supervisor's relay.

        Thread-safe. The caller still has to close its own descriptors.

        :param session: Fields of :class:`~fluxsync.bridges.relay.Session`.
        :param early: Bytes for the client and for Streamlit that go first.
        :param sockets: Descriptors of the client's and of Streamlit's connection.
        :raise SupervisorError: There's no supervisor; nothing was handed over.
        """
        to_client, to_upstream = early
        data = {"type": "websocket", "session": dict(session), "split": len(to_client)}
        with self._lock:
            sock = self._sock
            if sock is None:
                raise SupervisorError("there is no supervisor at the moment")
            try:
                wire.send(sock, data, to_client + to_upstream, sockets)
            except OSError as e:
                # It may have got a part of the message: this connection is spoilt.
                self._sock = None
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                raise SupervisorError(f"the supervisor does not take the WebSocket: {e}") from e

    def _keep(self) -> None:
        while self._anchor.is_alive():
            sock = connect(self._state)
            if sock is None:
                if time.monotonic() >= self._launch_at:
                    # No daemon: if this process ends now, it ends afterwards.
                    election = threading.Thread(target=self._elect, name="fluxsync-election")
                    election.start()
                    election.join()
                time.sleep(_RETRY)
                continue
            pause = _RETRY
            try:
                with sock:
                    self._follow(sock)
            except (OSError, wire.WireError) as e:
                logger.debug("supervisor is lost", extra={"error": str(e)})
            except Exception:
                # Of another version, say. Without this thread there would be no table again.
                logger.exception("supervisor not understood")
                pause = _RETRY_LATER
            self._lose()
            time.sleep(pause)

    def _elect(self) -> None:
        """Start a supervisor, unless somebody else is about to."""
        try:
            lock = self._state.try_lock()
            if lock is None:
                return
            # One that ends as soon as it's started must not be started in a tight loop.
            self._launch_at = time.monotonic() + min(0.5 * 2**self._launches, _RETRY_LATER)
            self._launches = min(self._launches + 1, 10)
            try:
                remove_stale(self._state.path.parent)
                launch(self._state, lock, self._anchor)
            finally:
                os.close(lock)
        except (FluxSyncError, OSError) as e:
            self._launch_at = time.monotonic() + _RETRY_LATER
            self._complain(str(e))
        else:
            if self._launches > _TRIES:
                self._complain("the supervisor ends soon after its start; the log says why")

    def _complain(self, reason: str) -> None:
        """Show on the page and in the log why there's no supervisor."""
        logger.error("there is no supervisor: %s", reason)
        self._table = Table(0, (Row("supervisor", State.FATAL, "", None, False, reason),))
        self._known.set()

    def _follow(self, sock: socket.socket) -> None:
        """Take tables until the connection ends."""
        hello = {"type": "hello", "pid": os.getpid(), "spec": self._spec.to_json()}
        wire.send(sock, hello)
        with self._lock:
            self._sock = sock
        receiver = wire.Receiver()
        while True:
            try:
                messages = receiver.receive(sock)
            except TimeoutError:
                continue  # the limit is for writers; nothing new is no news
            if messages is None:
                return
            for message in messages:
                if message.data.get("type") == "table":
                    self._launches = 0
                    self._table = Table.from_json(message.data["table"])
                    self._known.set()

    def _lose(self) -> None:
        with self._lock:
            self._sock = None
        # Without the supervisor there's no Streamlit: it ends with it.
        if self._table.rows:
            self._known.clear()
            self._table = Table()
            self._wait_until = time.monotonic() + _FIRST_TABLE


def connect(state: StateDirectory) -> socket.socket | None:
    """Return a connection to a supervisor, or ``None`` if there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(_SEND_TIMEOUT)
    try:
        sock.connect(os.fspath(state.socket))
    except OSError:
        sock.close()
        return None
    return sock


def ask(state: StateDirectory, kind: str, timeout: float = 5.0) -> dict[str, t.Any] | None:
    """Send a command to a supervisor and return its answer; ``None`` if there's none.

    ``stop`` returns when the supervisor has ended.

    :param timeout: Seconds.
    """
    sock = connect(state)
    if sock is None:
        return None
    with sock:
        sock.settimeout(timeout)
        receiver = wire.Receiver()
        answer: dict[str, t.Any] | None = None
        try:
            wire.send(sock, {"type": kind})
            while (messages := receiver.receive(sock)) is not None:
                answer = messages[-1].data if messages else answer
                if answer is not None and kind != "stop":
                    break
        except (OSError, wire.WireError):
            pass
        return answer


def launch(state: StateDirectory, lock: int, anchor: Anchor) -> None:
    """Start the supervisor's process and give it the lock.

    :raise SupervisorError: It can't be started.
    """
    package_parent = pathlib.Path(__file__).parents[2]
    command = [
        *(sys.executable, "-I", "-S", "-c", _PROGRAM, os.fspath(package_parent)),
        *(os.fspath(state.path), str(lock), str(anchor.pid), anchor.start),
    ]
    try:
        launcher = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, pass_fds=(lock,)
        )
        launcher.wait()
    except OSError as e:
        raise SupervisorError(f"can't start the supervisor: {e}") from e
