from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.closecodes import Close
from fluxsync.sansio.closing import ANSWER, Closing, Step

SPEAK, DROP = Step.SPEAK, Step.DROP
TOO_BIG = Close(1009, "message over 10 bytes")
RESTART, AWAY, IDLE = Close(1012), Close(1001), Close(1001, "idle")


def refused(now: float = 100.0) -> Closing:
    """Return the end of a WebSocket whose client has said too much; it may take 10 s."""
    closing = Closing()
    assert closing.refuse(TOO_BIG)
    closing.await_answer(now)
    assert closing.end_by(now + 10)
    return closing


def test_nothing_ends() -> None:
    closing = Closing()

    assert (closing.own, closing.violation, closing.deadline()) == (None, None, None)
    assert closing.due(1e9) is None


def test_first_word_counts() -> None:
    closing = Closing()
    closing.say(AWAY)
    closing.say(RESTART)

    assert closing.own == AWAY


def test_end_comes_once_and_never_later() -> None:
    closing = Closing()

    assert [closing.end_by(time) for time in (110, 120, 110, 105)] == [True, False, False, True]
    assert closing.deadline() == 105
    assert closing.due(104.9) is None
    assert closing.due(105) is DROP


def test_refused_client_hears_it_from_streamlit() -> None:
    """For a while, there's nothing to be said to it from here."""
    closing = refused(100)

    assert closing.own is None
    assert closing.deadline() == 100 + ANSWER
    assert closing.due(100 + ANSWER - 0.1) is None


def test_refused_client_hears_it_from_here_if_need_be() -> None:
    closing = refused(100)

    assert closing.due(100 + ANSWER) is SPEAK
    assert closing.own == TOO_BIG
    # And that's it, but for the end.
    assert closing.due(100 + ANSWER) is None
    assert closing.deadline() == 110
    assert closing.due(110) is DROP


def test_end_comes_before_the_answer() -> None:
    closing = refused(100)
    closing.end_by(101)

    assert closing.deadline() == 101
    assert closing.due(100 + ANSWER) is DROP
    assert closing.own is None


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(Closing, RESTART, id="nobody knows why"),
        pytest.param(refused, TOO_BIG, id="instead of answering the refusal"),
    ],
)
def test_streamlit_breaks_off(before: t.Callable[[], Closing], said: Close) -> None:
    closing = before()
    closing.break_off()

    assert closing.own == said


def test_streamlit_breaks_off_after_a_goodbye() -> None:
    closing = Closing()
    closing.say(AWAY)
    closing.break_off()

    assert closing.own == AWAY


def test_nobody_is_refused_twice() -> None:
    closing = refused()

    assert not closing.refuse(Close(1002))
    assert closing.violation == TOO_BIG


def test_nobody_is_refused_after_a_goodbye() -> None:
    """Whoever is told to go may say what it likes."""
    closing = Closing()
    closing.say(AWAY)

    assert not closing.refuse(TOO_BIG)
    assert closing.violation is None


@pytest.mark.parametrize(
    ("violation", "own", "client", "streamlit", "outcome"),
    [
        pytest.param(TOO_BIG, TOO_BIG, TOO_BIG, TOO_BIG, (TOO_BIG, "fluxsync"), id="refused"),
        pytest.param(TOO_BIG, None, None, Close(1009), (TOO_BIG, "fluxsync"), id="answered"),
        pytest.param(None, IDLE, IDLE, IDLE, (IDLE, "fluxsync"), id="idle"),
        pytest.param(None, None, AWAY, AWAY, (AWAY, "client"), id="client and its answer"),
        pytest.param(None, None, None, AWAY, (AWAY, "streamlit"), id="streamlit"),
        pytest.param(None, None, None, None, (Close(1006), ""), id="nobody"),
    ],
)
def test_outcome(
    violation: Close | None,
    own: Close | None,
    client: Close | None,
    streamlit: Close | None,
    outcome: tuple[Close, str],
) -> None:
    closing = Closing()
    if violation is not None:
        closing.refuse(violation)
    if own is not None:
        closing.say(own)

    assert closing.outcome(client, streamlit) == outcome


def happen(event: str, closing: Closing, now: float) -> None:
    """Do what a link does."""
    if event == "goodbye":
        closing.say(AWAY)
    elif event == "broken off":
        closing.break_off()
    elif closing.refuse(TOO_BIG):
        closing.await_answer(now)
    closing.end_by(now + 10)


@given(
    st.lists(
        st.tuples(st.sampled_from(["goodbye", "broken off", "refused"]), st.integers(0, 5)),
        min_size=1,
    )
)
def test_everything_ends(events: list[tuple[str, int]]) -> None:
    """Within the first limit, whatever happens meanwhile, and nobody is told twice."""
    closing, now = Closing(), 0.0
    for event, pause in events:
        happen(event, closing, now)
        now += pause
    steps: list[Step | None] = []
    while DROP not in steps:
        time = closing.deadline()
        assert time is not None
        assert time <= 10
        steps.append(closing.due(time))

    assert steps in ([DROP], [SPEAK, DROP])
