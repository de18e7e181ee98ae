"""The Streamlit servers of one application: their states, processes and probes.

Belongs to the supervisor's main thread.
"""

from __future__ import annotations

import dataclasses
import logging
import selectors
import signal
import time
import typing as t

from ..sansio import balancing, supervision
from ..sansio.supervision import Action, Replica, State
from .compressor import Compressor
from .replicas import Child

if t.TYPE_CHECKING:
    from .probes import Prober, Result
    from .spec import Spec

logger = logging.getLogger("fluxsync.supervisor")

#: Seconds between probes of a replica that starts, at first and later, and of one that runs.
_PROBE_STARTING, _PROBE_LATER, _PROBE_RUNNING = 0.05, 1.0, 5.0
#: A worker that connects so many seconds after a replica was given up was reloaded, maybe
#: with the cause mended. Those that connect earlier were started together.
_RETRY_AFTER = 2.0


class Fleet:
    """The replicas of one :class:`~fluxsync.process.spec.Spec`.

    :param environment: Streamlit's environment.
    :param selector: Where the pipes of processes are watched; the data of a key is what is
        to be called.
    :param prober: Asks servers whether they're well; answers come in at :meth:`answer`.
    """

    def __init__(
        self,
        spec: Spec,
        environment: t.Mapping[str, str],
        selector: selectors.BaseSelector,
        prober: Prober,
    ) -> None:
        self._spec = spec
        self._environment = environment
        self._selector = selector
        self._prober = prober
        self._policy = supervision.Policy(
            start_timeout=spec.start_timeout, stop_timeout=min(spec.graceful_timeout, 5.0)
        )
        self._compressor = Compressor(spec, environment)
        self._children: dict[str, Child] = {}
        self._probe_at: dict[str, float] = {}
        #: Replicas whose answer is waited for; the next probe is due some time after it.
        self._asked: set[str] = set()
        self._stopping = False
        #: Replicas that are ended only to be started anew.
        self._renewed: set[str] = set()
        self.replicas: dict[str, Replica] = {r.id: r for r in _replicas(spec)}
        self._version = 0

    def step(self) -> None:
        """Do what is due: start, probe, kill, and note who has ended."""
        now = time.monotonic()
        self._compressor.step()
        for replica in tuple(self.replicas.values()):
            self._reap(replica.id)
            replica = self.replicas[replica.id]
            action = supervision.due(replica, now, self._policy)
            if action is Action.KILL:
                child = self._children[replica.id]
                if replica.state is State.STARTING:
                    limit = f"streamlit_start_timeout_s={self._policy.start_timeout:g}"
                    child.verdict = f"did not answer in time ({limit})"
                logger.warning("replica is killed", extra=_facts(replica))
                child.signal(signal.SIGKILL)
                # The next look is at its end; until then, once a second.
                self.replicas[replica.id] = _again(replica, now, self._policy)
            elif (action is Action.SPAWN or self._is_renewed(replica)) and not self._stopping:
                self._spawn(replica)
            self._probe(self.replicas[replica.id], now)

    def deadline(self) -> float | None:
        """Return when :meth:`step` has something to do; ``None`` if only events matter."""
        times = [supervision.deadline(r, self._policy) for r in self.replicas.values()]
        times += self._probe_at.values()
        return min((at for at in times if at is not None), default=None)

    def answer(self, result: Result) -> None:
        """Take a probe's result."""
        self._asked.discard(result.replica)
        replica = self.replicas.get(result.replica)
        if replica is None or replica.state not in supervision.ALIVE or self._stopping:
            return
        if result.port is None:
            replica = self._apply(replica, supervision.Missed())
        elif result.port in self._ports(replica):  # else it's from one that has ended since
            child = self._children.get(replica.id)
            frontend = child.frontend if child is not None else ""
            replica = self._apply(replica, supervision.Answered(result.port, frontend))
            self._compressor.want(frontend)
        now = time.monotonic()
        pause = _PROBE_RUNNING
        if replica.state is State.STARTING:
            pause = min(max(_PROBE_STARTING, (now - replica.since) / 20), _PROBE_LATER)
        self._probe_at[replica.id] = now + pause

    def retry(self) -> None:
        """Give replicas another try that were given up some time ago."""
        for replica in tuple(self.replicas.values()):
            if replica.state is State.FATAL and time.monotonic() - replica.since > _RETRY_AFTER:
                self._spawn(replica)

    def renew(self) -> None:
        """Start all processes anew, those that were given up too. Somebody else's stay."""
        if not self._spec.arguments or self._stopping:
            return
        for replica in tuple(self.replicas.values()):
            if replica.state in supervision.ALIVE and replica.state is not State.STOPPING:
                self._probe_at.pop(replica.id, None)
                self._apply(replica, supervision.Stop())
                self._children[replica.id].signal(signal.SIGTERM)
            self._renewed.add(replica.id)

    def _is_renewed(self, replica: Replica) -> bool:
        """Whether it has ended, or was given up, and is to be started anew."""
        return replica.id in self._renewed and replica.id not in self._children

    def stop(self) -> None:
        """End all processes, in an orderly way first."""
        self._stopping = True
        self._probe_at.clear()
        self._compressor.stop()
        for replica in tuple(self.replicas.values()):
            if replica.state is not State.STOPPING:
                self._apply(replica, supervision.Stop())
                if replica.id in self._children:
                    self._children[replica.id].signal(signal.SIGTERM)

    @property
    def is_stopped(self) -> bool:
        """Whether no process is left."""
        return not self._children and not self._compressor.is_running

    @property
    def has_given_up(self) -> bool:
        """Whether no replica has ever run, and none will."""
        return all(r.state is State.FATAL and not r.was_up for r in self.replicas.values())

    def started(self) -> dict[str, float]:
        """Return when the processes of replicas were started, in Unix time."""
        return {child.replica: child.started for child in self._children.values()}

    def starting_for(self) -> float | None:
        """Return for how many seconds Streamlit has been starting; ``None`` if it isn't."""
        replicas = self.replicas.values()
        if any(replica.state in supervision.SERVING for replica in replicas):
            return None
        starts = [r.since for r in replicas if r.state is State.STARTING and r.pid is not None]
        return time.monotonic() - min(starts) if starts else None

    def table(self) -> balancing.Table:
        """Return what workers need to know."""
        return balancing.Table(
            self._version, tuple(balancing.row(r) for r in self.replicas.values())
        )

    def _spawn(self, replica: Replica) -> None:
        self._renewed.discard(replica.id)
        self._probe_at[replica.id] = time.monotonic()
        if not self._spec.arguments:
            self._apply(replica, supervision.Spawned(None))
            return
        try:
            child = Child(replica.id, self._spec, self._environment)
        except (OSError, ValueError) as e:
            # No memory, too many processes, an argument with a zero byte in it: as if it had
            # started and ended at once.
            replica = self._apply(replica, supervision.Spawned(0))
            self._apply(replica, supervision.Exited(1, f"can't start a process: {e}"))
            return
        self._children[replica.id] = child
        self._selector.register(child.output, selectors.EVENT_READ, lambda: self._output(child))
        self._selector.register(child.report, selectors.EVENT_READ, lambda: self._report(child))
        self._apply(replica, supervision.Spawned(child.pid))

    def _output(self, child: Child) -> None:
        # It may have ended, and its pipes with it, since the selector saw this.
        if self._children.get(child.replica) is child and not child.read_output():
            self._forget(child.output)

    def _report(self, child: Child) -> None:
        if self._children.get(child.replica) is child and not child.read_report():
            self._forget(child.report)

    def _forget(self, pipe: int) -> None:
        if pipe in self._selector.get_map():
            self._selector.unregister(pipe)

    def _reap(self, replica_id: str) -> None:
        child = self._children.get(replica_id)
        status = child.poll() if child is not None else None
        if child is None or status is None:
            return
        del self._children[replica_id]
        self._probe_at.pop(replica_id, None)
        for pipe in (child.output, child.report):
            self._forget(pipe)
        child.close()
        reason = supervision.describe_exit(status, child.last_lines)
        if child.verdict:
            reason = f"{child.verdict}; {reason}"
        self._apply(self.replicas[replica_id], supervision.Exited(status, reason))

    def _probe(self, replica: Replica, now: float) -> None:
        at = self._probe_at.get(replica.id)
        if at is None or at > now:
            return
        ports = self._ports(replica)
        if not ports:
            self._probe_at[replica.id] = now + _PROBE_STARTING
            return
        del self._probe_at[replica.id]
        if replica.id not in self._asked:
            self._asked.add(replica.id)
            self._prober.probe(replica.id, replica.host, ports)

    def _ports(self, replica: Replica) -> tuple[int, ...]:
        """Return where it may listen."""
        if self._spec.upstreams:
            return tuple(p for r, _, p in _addresses(self._spec) if r == replica.id)
        child = self._children.get(replica.id)
        return child.ports if child is not None else ()

    def _apply(self, replica: Replica, event: supervision.Event) -> Replica:
        """Let an event happen to a replica; the one way in which they change."""
        changed = supervision.transition(replica, event, time.monotonic(), self._policy)
        self.replicas[replica.id] = changed
        if balancing.row(changed) != balancing.row(replica):
            self._version += 1
        if changed.state is not replica.state:
            level = logging.INFO
            if changed.state in (State.BACKOFF, State.FATAL):
                level = logging.ERROR if changed.state is State.FATAL else logging.WARNING
            logger.log(level, "replica is %s", changed.state.value, extra=_facts(changed))
        return changed


def _replicas(spec: Spec) -> t.Iterator[Replica]:
    if spec.upstreams:
        for replica_id, host, _ in _addresses(spec):
            yield Replica(replica_id, host=host)
    else:
        for number in range(1, spec.replicas + 1):
            yield Replica(f"r{number}")


def _addresses(spec: Spec) -> t.Iterator[tuple[str, str, int]]:
    for number, address in enumerate(spec.upstreams, start=1):
        host, _, port = address.rpartition(":")
        yield f"r{number}", host.strip("[]"), int(port)


def _again(replica: Replica, now: float, policy: supervision.Policy) -> Replica:
    """Return the replica with its deadline a second from now."""
    limit = policy.start_timeout if replica.state is State.STARTING else policy.stop_timeout
    return dataclasses.replace(replica, since=now + 1.0 - limit)


def _facts(replica: Replica) -> dict[str, object]:
    return {
        "replica": replica.id,
        "pid": replica.pid,
        "port": replica.port,
        # All of it stands in the log already, line by line.
        "reason": replica.reason.partition("\n")[0],
    }
