from __future__ import annotations

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.supervision import (
    ALIVE,
    SERVING,
    Action,
    Answered,
    Drain,
    Event,
    Exited,
    InvalidTransition,
    Missed,
    Policy,
    Replica,
    Spawned,
    State,
    Stop,
    deadline,
    describe_exit,
    due,
    transition,
)

POLICY = Policy()
NOW = 100.0

#: Which state each event leads to; what isn't here can't happen.
TABLE = {
    (State.STOPPED, Spawned): State.STARTING,
    (State.STOPPED, Stop): State.STOPPED,
    (State.BACKOFF, Spawned): State.STARTING,
    (State.BACKOFF, Stop): State.STOPPED,
    (State.FATAL, Spawned): State.STARTING,
    (State.FATAL, Stop): State.STOPPED,
    (State.STARTING, Answered): State.RUNNING,
    (State.STARTING, Missed): State.STARTING,
    (State.STARTING, Exited): State.BACKOFF,
    (State.STARTING, Stop): State.STOPPING,
    (State.RUNNING, Answered): State.RUNNING,
    (State.RUNNING, Missed): State.RUNNING,
    (State.RUNNING, Exited): State.BACKOFF,
    (State.RUNNING, Drain): State.DRAINING,
    (State.RUNNING, Stop): State.STOPPING,
    (State.DRAINING, Answered): State.DRAINING,
    (State.DRAINING, Missed): State.DRAINING,
    (State.DRAINING, Exited): State.BACKOFF,
    (State.DRAINING, Stop): State.STOPPING,
    (State.STOPPING, Answered): State.STOPPING,
    (State.STOPPING, Missed): State.STOPPING,
    (State.STOPPING, Exited): State.STOPPED,
}
EVENTS: list[Event] = [Spawned(7), Answered(8501), Missed(), Exited(1, "why"), Stop(), Drain()]


def make(state: State, **values: object) -> Replica:
    """Return a replica with a process if it has one in that state."""
    known: dict[str, object] = {"state": state, "since": NOW, "starts": 1}
    if state in ALIVE:
        known["pid"] = 7
    if state in SERVING:
        known |= {"port": 8501, "healthy": True, "was_up": True}
    return dataclasses.replace(Replica("1"), **(known | values))  # type: ignore[arg-type] # any field


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_table(state: State, event: Event) -> None:
    expected = TABLE.get((state, type(event)))

    if expected is None:
        with pytest.raises(InvalidTransition, match=f"{type(event).__name__} while {state.value}"):
            transition(make(state), event, NOW, POLICY)
    else:
        assert transition(make(state), event, NOW, POLICY).state is expected


class Process:
    """What really is there, told by the events that were handled."""

    def __init__(self) -> None:
        self.replica = Replica("1")
        self.pid: int | None = None

    def handle(self, event: Event, now: float) -> None:
        self.replica = transition(self.replica, event, now, POLICY)
        if isinstance(event, Spawned):
            self.pid = event.pid
        elif isinstance(event, Exited):
            self.pid = None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*EVENTS, Spawned(None), Exited(2), Exited(-9)]), st.floats(0, 100)
        ),
        max_size=30,
    )
)
def test_any_events_are_handled_or_refused(events: list[tuple[Event, float]]) -> None:
    """No dead process is recorded as alive, and no living one is forgotten."""
    process = Process()
    now = 0.0
    for event, wait in events:
        now += wait
        with contextlib.suppress(InvalidTransition):
            process.handle(event, now)

        replica = process.replica
        assert replica.pid == process.pid
        assert replica.pid is None or replica.state in ALIVE
        assert replica.since <= now
        assert replica.state in ALIVE or not replica.healthy
        assert replica.state is not State.STOPPING or replica.pid is not None
        assert replica.state is not State.RUNNING or replica.port == 8501
        at = deadline(replica, POLICY)
        if replica.state in (State.BACKOFF, State.STOPPING):
            assert at is not None  # or it would stay there for ever
        if at is not None:
            assert due(replica, at, POLICY) is not None


def test_somebody_elses_server_is_not_waited_for() -> None:
    replica = make(State.RUNNING, pid=None)

    assert transition(replica, Stop(), NOW, POLICY).state is State.STOPPED


def test_start() -> None:
    stopped = make(State.BACKOFF, starts=2, port=8501)

    started = transition(stopped, Spawned(9), NOW + 1, POLICY)

    assert (started.pid, started.port, started.starts, started.since) == (9, None, 3, NOW + 1)
    assert not started.healthy


def test_answer() -> None:
    starting = make(State.STARTING, misses=2, reason="exit code 1")

    running = transition(starting, Answered(8502, "1.67.0"), NOW + 1, POLICY)

    assert (running.port, running.healthy, running.was_up) == (8502, True, True)
    assert running.frontend == "1.67.0"
    assert (running.misses, running.reason) == (0, "")


def test_answer_while_running_is_no_new_state() -> None:
    assert transition(make(State.RUNNING), Answered(8501), NOW + 1, POLICY).since == NOW


def test_replica_is_ill_after_three_misses_and_well_after_an_answer() -> None:
    replica = make(State.RUNNING)

    health = []
    for event in (Missed(), Missed(), Missed(), Answered(8501)):
        replica = transition(replica, event, NOW, POLICY)
        health.append(replica.healthy)

    assert health == [True, True, False, True]


def test_draining_one_still_serves() -> None:
    assert transition(make(State.RUNNING), Drain(), NOW, POLICY).healthy


def test_exit_says_why() -> None:
    gone = transition(make(State.RUNNING), Exited(1, "no module"), NOW, POLICY)

    assert (gone.pid, gone.port, gone.healthy, gone.reason) == (None, None, False, "no module")


def crash(replica: Replica, now: float, status: int = 1) -> Replica:
    started = transition(replica, Spawned(7), now, POLICY)
    return transition(started, Exited(status), now, POLICY)


def test_pauses_grow_up_to_a_limit() -> None:
    policy = Policy(crash_limit=99, backoff_first=1.0, backoff_max=5.0)
    replica = make(State.STARTING)

    pauses = []
    for _ in range(5):
        replica = transition(replica, Exited(1), NOW, policy)
        pauses.append(replica.retry_at - NOW)
        replica = transition(replica, Spawned(7), NOW, policy)

    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_too_many_crashes_are_fatal() -> None:
    replica = Replica("1")

    states = []
    for i in range(5):
        replica = crash(replica, NOW + i)
        states.append(replica.state)

    assert states == [*[State.BACKOFF] * 4, State.FATAL]


def test_old_crashes_are_forgotten() -> None:
    replica = Replica("1")

    for i in range(10):
        replica = crash(replica, NOW + 15 * i)

    assert replica.state is State.BACKOFF
    assert len(replica.crashes) == 4


def test_new_replica_that_refuses_its_command_line_is_given_up() -> None:
    assert crash(Replica("1"), NOW, status=2).state is State.FATAL


@pytest.mark.parametrize(
    ("status", "was_up", "expected"),
    [
        pytest.param(2, False, State.FATAL, id="refuses its command line"),
        pytest.param(2, True, State.BACKOFF, id="did not refuse it before"),
        pytest.param(-9, False, State.BACKOFF, id="killed"),
    ],
)
def test_usage_error(status: int, was_up: bool, expected: State) -> None:
    replica = make(State.STARTING, was_up=was_up)

    assert transition(replica, Exited(status), NOW, POLICY).state is expected


@pytest.mark.parametrize(
    ("replica", "at", "action"),
    [
        pytest.param(Replica("1", since=3.0), 3.0, Action.SPAWN, id="new"),
        pytest.param(make(State.STOPPED), None, None, id="stopped"),
        pytest.param(make(State.BACKOFF, retry_at=NOW + 1), NOW + 1, Action.SPAWN, id="backoff"),
        pytest.param(make(State.STARTING), NOW + 60, Action.KILL, id="too slow to start"),
        pytest.param(make(State.STOPPING), NOW + 5, Action.KILL, id="too slow to stop"),
        pytest.param(make(State.STARTING, pid=None), None, None, id="somebody else's"),
        pytest.param(make(State.RUNNING), None, None, id="running"),
        pytest.param(make(State.FATAL), None, None, id="given up"),
    ],
)
def test_deadline(replica: Replica, at: float | None, action: Action | None) -> None:
    assert deadline(replica, POLICY) == at
    if at is not None:
        assert due(replica, at - 0.1, POLICY) is None
        assert due(replica, at, POLICY) is action
    else:
        assert due(replica, 1e9, POLICY) is None


@pytest.mark.parametrize(
    ("status", "output", "expected"),
    [
        pytest.param(1, ["a", " ", "b"], "exit code 1\na\nb", id="last words"),
        pytest.param(-9, [], "ended by signal 9", id="signal"),
        pytest.param(0, [""], "exit code 0", id="silent"),
    ],
)
def test_describe_exit(status: int, output: list[str], expected: str) -> None:
    assert describe_exit(status, output) == expected
