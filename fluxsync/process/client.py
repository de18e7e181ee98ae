"""A gateway worker's line to the supervisor.

Each worker process has one connection. Over it come the tables, and over it the sockets of
WebSockets go. Whoever finds no supervisor starts one.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import socket
import threading
import time
import typing as t

from ..exceptions import FluxSyncError, SupervisorError
from ..sansio.admission import Full
from ..sansio.balancing import Row, Table
from ..sansio.supervision import State
from ..telemetry import tracing
from . import wire
from .launch import ask, connect, launch
from .state import StateDirectory, remove_stale

if t.TYPE_CHECKING:
    from .lifetime import Anchor
    from .spec import Spec

logger = logging.getLogger("fluxsync.process")

#: Seconds between tries while somebody else starts the supervisor, and at most, when it can't
#: be started.
_RETRY, _RETRY_LATER = 0.05, 10.0
#: So many starts in vain are no coincidence.
_TRIES = 3
#: Seconds that requests wait for a supervisor that has just been started, or has just gone.
_FIRST_TABLE = 5.0
#: Seconds that the supervisor may take to say how things are.
_ASK = 1.0
#: Seconds between reports at least; a process that is killed takes with it what it hasn't said.
_REPORT_EVERY = 5.0


class SupervisorClient:
    """Keeps the connection, from a thread of its own.

    Make it before a fork, :meth:`start` it after: nothing that a fork would break exists
    until then.

    :param locate: Returns the state directory. Called in :meth:`start`, as gunicorn's workers
        may run as another user than a master that has preloaded this.
    """

    def __init__(self, locate: t.Callable[[], StateDirectory], spec: Spec, anchor: Anchor) -> None:
        self._locate = locate
        self._state: StateDirectory
        self._spec = spec
        self._anchor = anchor
        #: Called with the state directory whenever there's a supervisor that doesn't know this
        #: process yet, in this object's thread.
        self.prepare: t.Callable[[StateDirectory], None] | None = None
        #: See :meth:`~fluxsync.process.secrets.Secrets.of_users`; it's here before any table.
        self.secret = ""
        #: Returns what this process has counted, and which requests it has answered last; the
        #: supervisor is told now and then.
        self.report: t.Callable[[], dict[str, t.Any]] | None = None
        self._instance = ""
        #: When the next one is due; 0 before the first one.
        self._report_at = 0.0
        self._start_lock = threading.Lock()
        self._pid = 0
        self._lock: threading.Lock
        self._reporting: threading.Lock
        self._known: threading.Event
        self._sock: socket.socket | None = None
        self._table = Table()
        self._full = Full()
        self._wait_until = 0.0
        self._launches = 0
        self._launch_at = 0.0
        self._is_leaving: t.Callable[[], bool]

    def start(self, is_leaving: t.Callable[[], bool] = lambda: False) -> None:
        """Connect, and stay connected. Does nothing if this process has done so already.

        :param is_leaving: Whether this process takes no more requests, and so shouldn't start
            a supervisor in place of one that has gone.
        """
        if self._pid == os.getpid():
            return
        with self._start_lock:
            if self._pid == os.getpid():
                return
            self._is_leaving = is_leaving
            # Made here, not before a fork or before gevent has patched what they're made of.
            self._lock = threading.Lock()
            self._reporting = threading.Lock()
            self._known = threading.Event()
            self._sock = None
            self._table, self._full = Table(), Full()
            self._wait_until = time.monotonic() + _FIRST_TABLE
            self._pid = os.getpid()
            self._instance = os.urandom(8).hex()
            self._report_at = 0.0
            try:
                self._state = self._locate()
            except FluxSyncError as e:
                self._complain(str(e))
                return
            if not self._state.socket.exists():
                # Not left to the thread: a worker that ends right after its start would stop
                # that one anywhere, and leave a directory that nobody removes.
                self._elect()
            threading.Thread(target=self._keep, name="fluxsync-supervisor", daemon=True).start()
            if self.report is not None:
                atexit.register(self.send_last_report)

    @property
    def table(self) -> Table:
        """The latest table, replaced as a whole; read it once per request.

        A process that has just started waits a moment for its first one: the requests that
        come meanwhile shouldn't be told that there's no Streamlit.
        """
        if not self._table.rows:
            self._known.wait(max(0.0, self._wait_until - time.monotonic()))
        return self._table

    def serving_table(self) -> Table:
        """Return the latest table; if nobody serves in it, the one that the supervisor has now.

        The supervisor tells all workers at once, but each reads it when it gets to run. Who has
        heard from one of them that all is ready isn't to hear from another that it isn't.
        """
        table = self.table
        if table.serves or self._sock is None:
            return table
        answer = ask(self._state, "table", timeout=_ASK) or {}
        return Table.from_json(answer["table"]) if "table" in answer else table

    @property
    def full(self) -> Full:
        """Whose WebSockets the supervisor would refuse."""
        return self._full

    def hand_over(
        self, message: t.Mapping[str, t.Any], payload: bytes, files: t.Sequence[int]
    ) -> None:
        """Give a connection to the supervisor.

        Thread-safe. The caller still has to close its own descriptors.

        :param message: What it is.
        :param payload: Bytes that were read already.
        :param files: Descriptors of the client's connection, and of the other end, if any.
        :raise SupervisorError: There's no supervisor; nothing was handed over.
        """
        self._wait_for_connection()
        with self._lock:
            sock = self._sock
            if sock is None:
                raise SupervisorError("there is no supervisor at the moment")
            try:
                wire.send(sock, message, payload, files)
            except OSError as e:
                # It may have got a part of the message: this connection is spoilt.
                self._sock = None
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                raise SupervisorError(f"the supervisor takes nothing over: {e}") from e

    def ask(self, kind: str, timeout: float = _ASK) -> dict[str, t.Any]:
        """Ask the supervisor something; the answer is empty if there's none.

        :param kind: ``overview``, say; see :func:`~fluxsync.process.launch.ask`.
        :param timeout: Seconds.
        """
        self._wait_for_connection()
        return (ask(self._state, kind, timeout) if self._sock is not None else None) or {}

    def send_report(self) -> None:
        """Tell the supervisor what this process has counted. Any thread may call it."""
        if self.report is None or self._sock is None or self._pid != os.getpid():
            return
        # What is told last is what counts: two threads mustn't overtake each other here.
        with self._reporting, contextlib.suppress(SupervisorError):
            self._report_at = time.monotonic() + _REPORT_EVERY
            message = {"type": "report", "instance": self._instance, **self.report()}
            self.hand_over(message, b"", ())

    def send_last_report(self) -> None:
        """Tell it as this process ends, which it may do before it's connected."""
        is_first = not self._report_at and self._pid == os.getpid()
        if is_first and self.report is not None and any(self.report().values()):
            self._known.wait(_FIRST_TABLE)
        self.send_report()

    def _wait_for_connection(self) -> None:
        """Wait a moment if this process has just started, as with its first table."""
        if self._sock is None:
            self._known.wait(max(0.0, self._wait_until - time.monotonic()))

    def _keep(self) -> None:
        while self._anchor.is_alive():
            sock = connect(self._state)
            if sock is None:
                if time.monotonic() >= self._launch_at and not self._is_leaving():
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
        if self.prepare is not None:
            self.prepare(self._state)
        hello = {"type": "hello", "pid": os.getpid(), "spec": self._spec.to_json()}
        wire.send(sock, hello)
        with self._lock:
            self._sock = sock
        receiver = wire.Receiver()
        while True:
            if time.monotonic() >= self._report_at:
                self.send_report()
            try:
                messages = receiver.receive(sock)
            except TimeoutError:
                continue  # the limit is for writers; nothing new is no news
            if messages is None:
                return
            for message in messages:
                if message.data.get("type") == "welcome":
                    self.secret = str(message.data["secret"])
                elif message.data.get("type") == "table":
                    self._launches = 0
                    self._table = Table.from_json(message.data["table"])
                    self._known.set()
                elif message.data.get("type") == "report":
                    self.send_report()
                elif message.data.get("type") == "full":
                    self._full = Full.from_json(message.data["full"])
                elif message.data.get("type") == "span":
                    tracing.record(message.data["span"])

    def _lose(self) -> None:
        with self._lock:
            self._sock = None
        self._full = Full()
        # Without the supervisor there's no Streamlit: it ends with it.
        if self._table.rows:
            self._known.clear()
            self._table = Table()
            self._wait_until = time.monotonic() + _FIRST_TABLE
