"""The supervisor: one process per application that owns Streamlit and all WebSockets.

Its main thread starts and ends Streamlit's processes, talks with the gateway workers, and
knows when to go. The relay has a thread of its own, and so have the probes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import signal
import socket
import time
import typing as t

from ..sansio import closecodes
from ..sansio.admission import Full
from ..sansio.balancing import Table
from .announcements import Announcements
from .fleet import Fleet
from .lifetime import Ending, Lifetime
from .probes import Prober, Result
from .reports import Reports
from .secrets import Secrets
from .spec import Spec
from .status import status
from .switchboard import Switchboard

if t.TYPE_CHECKING:
    from .channel import Channel
    from .relay import Relay
    from .state import StateDirectory
    from .wire import Message

logger = logging.getLogger("fluxsync.supervisor")

#: Longest sleep of the main loop, in seconds; what no event announces is noticed then.
_PATIENCE = 1.0
#: Seconds that browsers get to take note of the end.
_GOODBYE = 0.5
#: Seconds between signs of life in the state directory.
_TOUCH = 3600.0


class Supervisor:
    """Runs until nobody needs it any more.

    :param state: Its directory; the caller holds the lock.
    :param configure_logging: Called with what each worker wants to have run.
    """

    def __init__(
        self,
        state: StateDirectory,
        lifetime: Lifetime,
        relay: Relay,
        configure_logging: t.Callable[[Spec], None],
    ) -> None:
        self._state = state
        self._lifetime = lifetime
        self._relay = relay
        self._configure_logging = configure_logging
        self._selector = selectors.DefaultSelector()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._wake_read, self._wake_write = socket.socketpair()
        self._switchboard = Switchboard(self._selector, self._obey)
        self._reports = Reports(self._switchboard, relay.report, self._status)
        self._prober = Prober(self._take_result)
        self._secrets = Secrets()
        self._spec: Spec | None = None
        self._fleet: Fleet | None = None
        self._version = -1
        self._full = Full()
        self._announcements = Announcements()
        self._signal = 0
        self._ending: Ending | None = None
        self._touch_at = time.monotonic() + _TOUCH

    # Any thread

    def _take_result(self, result: Result) -> None:
        self._results.put(result)
        self.wake()

    def wake(self) -> None:
        """Have the main thread look at what has changed."""
        with contextlib.suppress(OSError):
            self._wake_write.send(b"x")

    # The main thread

    def run(self) -> None:
        """Run until the end, which is orderly whatever its cause."""
        try:
            self._listen()
            while not self._is_done():
                for key, _ in self._selector.select(self._timeout()):
                    key.data()
                self._step()
        finally:
            self._close()

    def _listen(self) -> None:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._drain_wake)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        # Handlers run between any two lines of this thread, so they do next to nothing; the
        # wake-up descriptor ends the select().
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._take_signal)
        anchor = self._lifetime.anchor.watch()
        if anchor is not None:
            self._selector.register(anchor, selectors.EVENT_READ, lambda: self._forget(anchor))
        self._switchboard.open(self._state.socket)

    def _take_signal(self, number: int, _: object) -> None:
        self._signal = number

    def _forget(self, file: int) -> None:
        self._selector.unregister(file)

    def _drain_wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(4096)

    def _timeout(self) -> float:
        now = time.monotonic()
        times = [now + _PATIENCE, self._reports.deadline() or now + _PATIENCE]
        if self._fleet is not None:
            times.append(self._fleet.deadline() or times[0])
        if self._ending is not None and not self._ending.is_over:
            times.append(now + 0.05)
        return max(0.0, min(times) - now)

    def _step(self) -> None:
        fleet = self._fleet
        while not self._results.empty():
            result = self._results.get()
            if fleet is not None:
                fleet.answer(result)
        if fleet is not None:
            fleet.step()
            self._announcements.starting(None if self._ending else fleet.starting_for())
            self._publish(fleet)
        self._publish_full()
        self._switchboard.pass_on(self._relay.closed)
        self._reports.step()
        now = time.monotonic()
        if now > self._touch_at:
            self._touch_at = now + _TOUCH
            self._state.touch()
        workers = len(self._switchboard.workers)
        spec = self._spec
        linger = spec.linger if spec is not None else None
        if self._lifetime.is_over(wanted=spec is not None, connections=workers, linger=linger):
            self._begin_end("nobody is left that needs it")
        if self._signal:
            self._begin_end(signal.Signals(self._signal).name)
        if self._ending is not None:
            relay = self._relay
            busy = bool(relay.counts()), bool(relay.transfers)
            if self._ending.has_come(sessions=busy[0], transfers=busy[1]) and fleet is not None:
                fleet.stop()

    def _is_done(self) -> bool:
        ended = self._ending is not None and self._ending.is_over
        return ended and (self._fleet is None or self._fleet.is_stopped)

    def _begin_end(self, why: str) -> None:
        """Say goodbye to browsers; Streamlit follows a moment later."""
        if self._ending is not None:
            return
        logger.info("supervisor ends", extra={"reason": why})
        self._ending = Ending(_GOODBYE, self._spec.graceful_timeout if self._spec else 0.0)
        self._relay.close_all(closecodes.Close(closecodes.GOING_AWAY), _GOODBYE)
        # From here on, whoever wants a supervisor waits for the next one.
        self._switchboard.refuse()

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._prober.stop()
        self._switchboard.close()
        self._lifetime.anchor.close()
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()
        self._state.remove()

    # Workers and commands

    def _obey(self, channel: Channel, message: Message) -> None:
        kind = message.data.get("type")
        if kind in ("websocket", "upload", "download", "tunnel"):
            self._relay.adopt(message)
            return
        message.close()
        if kind == "hello":
            self._hello(channel, message.data)
        elif kind == "table":
            table = self._fleet.table() if self._fleet is not None else Table()
            self._switchboard.send(channel, {"type": "table", "table": table.to_json()})
        elif kind == "report":
            self._reports.take(channel, message.data)
        elif kind == "overview":
            self._reports.ask(channel)
        elif kind == "status":
            self._switchboard.send(channel, {"type": "status", **self._status()})
        elif kind == "renew":
            self._switchboard.send(channel, {"type": "outcome"})
            self._renew()
        elif kind == "stop":
            gave_up = self._fleet is not None and self._fleet.has_given_up
            self._switchboard.send(channel, {"type": "outcome", "gave_up": gave_up})
            self._begin_end("command")
        else:
            raise ValueError(f"a message of type {kind!r}")

    def _hello(self, channel: Channel, data: dict[str, t.Any]) -> None:
        spec = Spec.from_json(data["spec"])
        channel.pid, channel.is_worker = int(data["pid"]), True
        self._relay.configure(spec.limits)
        self._configure_logging(spec)
        if self._spec is None or self._spec.identity != spec.identity:
            self._adopt(spec)
        elif self._fleet is not None:
            self._fleet.retry()
        assert self._fleet is not None
        secret = self._secrets.of_users(spec)
        self._switchboard.send(channel, {"type": "welcome", "secret": secret})
        self._switchboard.send(channel, {"type": "table", "table": self._fleet.table().to_json()})
        self._switchboard.send(channel, {"type": "full", "full": self._full.to_json()})

    def _adopt(self, spec: Spec) -> None:
        """Run this from now on; a reload may have changed the settings."""
        environment = self._secrets.environment(spec, self._state)
        fleet = Fleet(spec, environment, self._selector, self._prober)
        if self._fleet is not None:
            logger.info("settings have changed, Streamlit is started anew")
            self._relay.close_all(closecodes.Close(closecodes.SERVICE_RESTART), _GOODBYE)
            self._fleet.stop()
            while not self._fleet.is_stopped:
                self._fleet.step()
                time.sleep(0.02)
        self._spec, self._fleet = spec, fleet
        self._version = -1
        try:
            self._state.describe(
                {
                    "name": spec.name,
                    "directory": spec.directory,
                    "pid": os.getpid(),
                    "anchor": self._lifetime.anchor.pid,
                    "anchor_start": self._lifetime.anchor.start,
                }
            )
        except OSError as e:
            # A full disk, say. Only commands miss it.
            logger.warning("state is not described", extra={"error": str(e)})

    def _renew(self) -> None:
        """Start Streamlit anew, with the code as it is now; browsers connect again."""
        if self._fleet is not None and self._ending is None:
            logger.info("Streamlit is started anew")
            self._relay.close_all(closecodes.Close(closecodes.SERVICE_RESTART), _GOODBYE)
            self._fleet.renew()

    def _publish_full(self) -> None:
        """Push to all workers who is to be refused, if that has changed."""
        full = self._relay.full
        if full != self._full:
            self._full = full
            for worker in self._switchboard.workers:
                self._switchboard.send(worker, {"type": "full", "full": full.to_json()})

    def _publish(self, fleet: Fleet) -> None:
        """Push the table to all workers if it has changed."""
        table = fleet.table()
        if table.version == self._version:
            return
        self._version = table.version
        for worker in self._switchboard.workers:
            self._switchboard.send(worker, {"type": "table", "table": table.to_json()})
        spec = self._spec
        assert spec is not None
        if table.ready:
            self._announcements.ready(spec)
        if fleet.has_given_up and spec.end_anchor and self._ending is None:
            self._announcements.given_up(table)
            if self._lifetime.anchor.is_alive():
                # A master may be of another user than its workers.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(self._lifetime.anchor.pid, signal.SIGTERM)

    def _status(self) -> dict[str, t.Any]:
        workers = tuple(worker.pid for worker in self._switchboard.workers)
        replicas = tuple(self._fleet.replicas.values()) if self._fleet is not None else ()
        sessions, tunnels = self._relay.counts(), self._relay.tunnels()
        anchor = self._lifetime.anchor.pid
        started = self._fleet.started() if self._fleet is not None else {}
        return status(self._spec, anchor, workers, replicas, sessions, tunnels, started)
