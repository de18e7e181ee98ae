"""The life of a replica: its states, and what is due (the words are Supervisor's). No I/O.

.. code-block:: text

    STOPPED ──spawned──► STARTING ──answered──► RUNNING ──drain──► DRAINING
                           ▲    │                  │                   │
                       spawned  └─────exited───────┴───────────────────┤
                           │                                           ▼
                        BACKOFF ◄───────────────────────────────── (crashed)
                                                                       │ too often
    any ──stop──► STOPPING ──exited──► STOPPED                       FATAL

:func:`transition` is the only way from one state to another; :func:`due` says what the
supervisor has to do and :func:`deadline` when to look again. Time comes in as ``now``.
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t


class State(enum.Enum):
    """State of a replica."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    FATAL = "FATAL"


#: There is a process, or a server of somebody else's.
ALIVE = frozenset((State.STARTING, State.RUNNING, State.DRAINING, State.STOPPING))
#: Requests may go there.
SERVING = frozenset((State.RUNNING, State.DRAINING))

#: Exit status of a program that refuses its command line. Trying again changes nothing.
USAGE_ERROR = 2


class InvalidTransition(Exception):
    """An event that can't happen in this state: a bug in the caller."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """How patient the supervisor is; all in seconds but the limits."""

    start_timeout: float = 60.0
    stop_timeout: float = 5.0
    backoff_first: float = 0.2
    backoff_max: float = 10.0
    #: So many crashes within the window are FATAL.
    crash_limit: int = 5
    crash_window: float = 60.0
    #: So many probes without an answer make a replica unhealthy.
    miss_limit: int = 3


@dataclasses.dataclass(frozen=True)
class Replica:
    """What the supervisor knows about one Streamlit server."""

    id: str
    state: State = State.STOPPED
    #: When it entered the state.
    since: float = 0.0
    pid: int | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    #: Whether it answered lately.
    healthy: bool = False
    #: Which frontend files it serves, if it has said so.
    frontend: str = ""
    #: Why it isn't running: exit status and last lines of output.
    reason: str = ""
    #: Whether it has ever been RUNNING.
    was_up: bool = False
    #: How often it was started.
    starts: int = 0
    misses: int = 0
    crashes: tuple[float, ...] = ()
    retry_at: float = 0.0


@dataclasses.dataclass(frozen=True)
class Spawned:
    """A process was started; ``pid`` is ``None`` for somebody else's server."""

    pid: int | None


@dataclasses.dataclass(frozen=True)
class Answered:
    """A probe was answered.

    ``frontend`` is what the process has said about its frontend files.
    """

    port: int
    frontend: str = ""


@dataclasses.dataclass(frozen=True)
class Missed:
    """A probe wasn't answered."""


@dataclasses.dataclass(frozen=True)
class Exited:
    """The process ended.

    ``status`` is negative if a signal ended it, as in :mod:`subprocess`.
    """

    status: int
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Stop:
    """It's wanted no longer."""


@dataclasses.dataclass(frozen=True)
class Drain:
    """It's to take no new sessions."""


Event: t.TypeAlias = "Spawned | Answered | Missed | Exited | Stop | Drain"


class Action(enum.Enum):
    """What the supervisor has to do for a replica now."""

    SPAWN = "spawn"
    KILL = "kill"


def transition(replica: Replica, event: Event, now: float, policy: Policy) -> Replica:
    """Return the replica after an event.

    :raise InvalidTransition: The event can't happen in this state.
    """
    state = replica.state
    if isinstance(event, Spawned) and state not in ALIVE:
        # STOPPED, BACKOFF or FATAL -> STARTING
        return dataclasses.replace(
            _enter(replica, State.STARTING, now),
            pid=event.pid,
            port=None,
            starts=replica.starts + 1,
        )
    if isinstance(event, Answered) and state in ALIVE:
        answered = dataclasses.replace(
            replica,
            port=event.port,
            frontend=event.frontend,
            healthy=True,
            misses=0,
            was_up=True,
            reason="",
        )
        # STARTING -> RUNNING
        return _enter(answered, State.RUNNING, now) if state is State.STARTING else answered
    if isinstance(event, Missed) and state in ALIVE:
        misses = replica.misses + 1
        healthy = replica.healthy and misses < policy.miss_limit
        return dataclasses.replace(replica, misses=misses, healthy=healthy)
    if isinstance(event, Drain) and state is State.RUNNING:
        return _enter(replica, State.DRAINING, now)
    if isinstance(event, Stop) and state is not State.STOPPING:
        # A process is waited for; without one, there is nothing to wait for.
        alive = state in ALIVE and replica.pid is not None
        return _enter(replica, State.STOPPING if alive else State.STOPPED, now)
    if isinstance(event, Exited) and state in ALIVE:
        return _exited(replica, event, now, policy)
    raise InvalidTransition(f"{type(event).__name__} while {state.value}")


def _enter(replica: Replica, state: State, now: float) -> Replica:
    return dataclasses.replace(
        replica,
        state=state,
        since=now,
        healthy=replica.healthy and state in SERVING,
        misses=0,
    )


def _exited(replica: Replica, event: Exited, now: float, policy: Policy) -> Replica:
    gone = dataclasses.replace(replica, pid=None, port=None, healthy=False, reason=event.reason)
    if replica.state is State.STOPPING:
        return _enter(gone, State.STOPPED, now)
    recent = (at for at in replica.crashes if at > now - policy.crash_window)
    crashes = (*recent, now)
    gone = dataclasses.replace(gone, crashes=crashes)
    refused = event.status == USAGE_ERROR and not replica.was_up
    if refused or len(crashes) >= policy.crash_limit:
        return _enter(gone, State.FATAL, now)
    wait = min(policy.backoff_first * 2 ** (len(crashes) - 1), policy.backoff_max)
    return dataclasses.replace(_enter(gone, State.BACKOFF, now), retry_at=now + wait)


def due(replica: Replica, now: float, policy: Policy) -> Action | None:
    """Return what has to be done for a replica now."""
    when = deadline(replica, policy)
    if when is None or now < when:
        return None
    return Action.SPAWN if replica.state in (State.STOPPED, State.BACKOFF) else Action.KILL


def deadline(replica: Replica, policy: Policy) -> float | None:
    """Return when something becomes due, or ``None``."""
    if replica.state is State.STOPPED and not replica.starts:
        return replica.since
    if replica.state is State.BACKOFF:
        return replica.retry_at
    if replica.pid is not None:
        if replica.state is State.STARTING:
            return replica.since + policy.start_timeout
        if replica.state is State.STOPPING:
            return replica.since + policy.stop_timeout
    return None


def describe_exit(status: int, output: t.Sequence[str]) -> str:
    """Say how a process ended, with its own last words.

    :param status: As in :class:`Exited`.
    :param output: Its last lines of output, redacted.
    """
    how = f"ended by signal {-status}" if status < 0 else f"exit code {status}"
    words = "\n".join(line for line in output if line.strip())
    return f"{how}\n{words}" if words else how
