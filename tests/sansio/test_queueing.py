from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.queueing import Outcome, Queue


def test_places_and_line() -> None:
    queue: Queue[str] = Queue(1, 2)

    assert [queue.enter(ticket) for ticket in "abcd"] == [
        Outcome.ADMITTED,
        Outcome.QUEUED,
        Outcome.QUEUED,
        Outcome.REFUSED,
    ]
    assert queue.leave() == "b"
    assert queue.give_up("c")
    assert not queue.give_up("c")
    assert queue.leave() is None
    assert queue.enter("e") is Outcome.ADMITTED


@given(st.integers(1, 3), st.integers(0, 3), st.lists(st.tuples(st.booleans(), st.integers(0, 9))))
def test_never_more_than_places(places: int, length: int, steps: list[tuple[bool, int]]) -> None:
    """Whatever comes and goes: a place that was taken is given back, and nobody is lost."""
    queue: Queue[int] = Queue(places, length)
    inside, waiting = 0, []

    for number, (comes, which) in enumerate(steps):
        if comes:
            outcome = queue.enter(number)
            inside += outcome is Outcome.ADMITTED
            waiting += [number] if outcome is Outcome.QUEUED else []
        elif which % 2 and waiting:
            assert queue.give_up(waiting.pop(which % len(waiting)))
        elif inside:
            heir = queue.leave()
            assert heir == (waiting.pop(0) if waiting else None)
            inside -= heir is None
        assert inside <= places
        assert len(waiting) <= length
        assert inside == places or not waiting
