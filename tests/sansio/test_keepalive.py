from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.keepalive import Action, Keepalive, Seen

PING, GIVE_UP, END_IDLE = Action.PING, Action.GIVE_UP, Action.END_IDLE
#: Opened, and nothing has happened since.
START = Seen(sent_at=100, moved_at=100, received=0, activity=0, busy=False)


def make(interval: float = 20, timeout: float = 5, idle: float = 0) -> Keepalive:
    return Keepalive(interval, timeout, idle, 100)


def test_silence_is_broken_by_a_ping() -> None:
    keepalive = make()

    assert keepalive.due(119.9, START) is None
    assert keepalive.deadline(119.9, START) == 120
    assert keepalive.due(120, START) is PING


def test_what_is_sent_puts_the_ping_off() -> None:
    keepalive = make()
    seen = START._replace(sent_at=110)

    assert keepalive.due(120, seen) is None
    assert keepalive.deadline(120, seen) == 130
    assert keepalive.due(130, seen) is PING


def test_no_ping_while_something_large_is_on_its_way() -> None:
    keepalive = make()
    busy = START._replace(busy=True)

    assert keepalive.due(120, busy) is None
    assert keepalive.deadline(120, busy) == 140
    assert keepalive.due(140, START) is PING


def test_client_that_does_not_answer() -> None:
    keepalive = make()
    keepalive.due(120, START)
    pinged = START._replace(sent_at=120)

    assert keepalive.due(124.9, pinged) is None
    assert keepalive.deadline(124.9, pinged) == 125
    assert keepalive.due(125, pinged) is GIVE_UP


def test_whatever_comes_from_the_client_is_an_answer() -> None:
    keepalive = make()
    keepalive.due(120, START)
    answered = START._replace(sent_at=120, received=1)

    assert keepalive.due(125, answered) is None
    assert keepalive.deadline(125, answered) == 140
    assert keepalive.due(140, answered) is PING


def test_further_pings_do_not_give_the_client_more_time() -> None:
    keepalive = make(interval=2)

    assert keepalive.due(102, START) is PING
    assert keepalive.due(104, START._replace(sent_at=102)) is PING
    assert keepalive.due(106, START._replace(sent_at=104)) is PING
    assert keepalive.deadline(106, START._replace(sent_at=106)) == 107
    assert keepalive.due(107, START._replace(sent_at=106)) is GIVE_UP


def test_client_that_takes_nothing() -> None:
    """No ping would reach it; without one, it's as silent."""
    keepalive = make()
    stuck = START._replace(busy=True, stuck=True)

    assert keepalive.due(124.9, stuck) is None
    assert keepalive.deadline(124.9, stuck) == 125
    assert keepalive.due(125, stuck) is GIVE_UP


def test_client_that_takes_little_is_there() -> None:
    keepalive = make()
    keepalive.due(120, START)
    slow = START._replace(busy=True, stuck=True, sent_at=124)

    assert keepalive.due(148, slow) is None
    assert keepalive.due(149, slow) is GIVE_UP


def test_answer_that_is_not_read() -> None:
    """Streamlit takes nothing, so nothing is read from the client. It isn't to blame."""
    keepalive = make()
    keepalive.due(120, START)
    unread = START._replace(sent_at=120, unread=True)

    assert keepalive.due(1000, unread) is PING
    assert keepalive.due(1001, unread._replace(sent_at=1000, unread=False)) is None


@pytest.mark.parametrize(
    ("interval", "timeout"),
    [pytest.param(0, 5, id="no pings"), pytest.param(20, 0, id="no limit for the answer")],
)
@pytest.mark.parametrize("stuck", [False, True])
def test_no_limit(interval: float, timeout: float, stuck: bool) -> None:
    keepalive = make(interval, timeout)
    seen = START._replace(stuck=stuck, busy=stuck)
    actions = {keepalive.due(now, seen) for now in (120, 10_000)}

    assert actions <= {PING, None}
    assert (PING in actions) is bool(interval and not stuck)


def test_nothing_to_watch() -> None:
    keepalive = make(interval=0, idle=0)

    assert keepalive.due(10_000, START) is None
    assert keepalive.deadline(10_000, START) is None


def test_idle_end() -> None:
    keepalive = make(idle=30)

    assert keepalive.due(129.9, START._replace(sent_at=120)) is None
    assert keepalive.deadline(129.9, START._replace(sent_at=120)) == 130
    assert keepalive.due(130, START._replace(sent_at=120)) is END_IDLE


def test_idle_limit_without_pings() -> None:
    keepalive = make(interval=0, idle=30)

    assert keepalive.due(129, START) is None
    assert keepalive.deadline(129, START) == 130
    assert keepalive.due(130, START) is END_IDLE


def test_messages_put_the_idle_end_off() -> None:
    keepalive = make(interval=0, idle=30)
    message = START._replace(moved_at=125, activity=1)

    assert keepalive.due(130, message) is None
    assert keepalive.deadline(130, message) == 155
    # A pong moves bytes, and is no message.
    assert keepalive.due(155, message._replace(moved_at=150, received=6)) is END_IDLE


def test_deadline_is_never_now() -> None:
    """Whoever asks at once again would burn the processor."""
    keepalive = make()

    assert keepalive.deadline(500, START) == 500.05


numbers = st.integers(0, 50).map(float)


@given(
    numbers,
    numbers,
    numbers,
    st.lists(st.tuples(numbers, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2))),
)
def test_any_history(
    interval: float,
    timeout: float,
    idle: float,
    history: list[tuple[float, bool, bool, bool, int]],
) -> None:
    """Deadlines lie ahead, pings fall into silence, and only the silent are given up."""
    keepalive, now, seen = make(interval, timeout, idle), 100.0, START
    heard = taken = 100.0
    for wait, busy, stuck, unread, news in history:
        now += wait
        seen = seen._replace(busy=busy or stuck, stuck=stuck, unread=unread)
        if news == 1:
            seen = seen._replace(received=seen.received + 1)
            heard = now
        elif news == 2:
            seen = seen._replace(sent_at=now, moved_at=now, activity=seen.activity + 1)
            taken = now
        action = keepalive.due(now, seen)
        assert action is not PING or (interval and not seen.busy and now >= taken + interval)
        if action is GIVE_UP:
            assert now >= (taken if stuck else heard) + timeout
            assert interval
            assert timeout
        if action is END_IDLE:
            assert 0 < idle <= now - 100
        if action is PING:
            seen = seen._replace(sent_at=now, moved_at=now)
            taken = now
        deadline = keepalive.deadline(now, seen)
        assert (deadline is None) is (not interval and not idle)
        assert deadline is None or deadline > now
