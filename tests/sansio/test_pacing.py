from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.pacing import Pace


@pytest.mark.parametrize(
    ("rate", "arrivals", "left"),
    [
        pytest.param(0, [(1, 59)], 60, id="anything restores it"),
        pytest.param(10, [(0, 5)], 55, id="waiting uses it up"),
        pytest.param(10, [(100, 10)], 60, id="on time"),
        pytest.param(10, [(1000, 10)], 60, id="no credit for speed"),
        pytest.param(10, [(1, 10)], 50.1, id="too slow"),
        pytest.param(10, [(1, 59), (1, 2)], -0.8, id="a byte now and then"),
        pytest.param(10, [(1, 59), (600, 1)], 60, id="a pause"),
    ],
)
def test_pace(rate: float, arrivals: list[tuple[int, float]], left: float) -> None:
    pace = Pace(60, rate)
    for count, waited in arrivals:
        pace.came(count, waited)

    assert pace.left == pytest.approx(left)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 100))), st.integers(1, 10**6))
def test_nobody_waits_much_longer_than_the_rate_allows(
    arrivals: list[tuple[int, float]], rate: int
) -> None:
    pace = Pace(60, rate)
    total = waited = 0.0
    for count, seconds in arrivals:
        if pace.left <= 0:
            break
        seconds = min(seconds, pace.left)
        pace.came(count, seconds)
        total, waited = total + count, waited + seconds

    assert waited <= 60 + total / rate + 1e-6
    assert pace.left <= 60
