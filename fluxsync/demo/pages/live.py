"""A page that changes by itself every second, and a counter that belongs to one visitor."""

from __future__ import annotations

import random
import typing as t
from datetime import datetime, timedelta, timezone

if t.TYPE_CHECKING:
    from types import ModuleType

SECONDS_SHOWN = 60
BICYCLES_PER_SECOND = 1.5

INTRODUCTION = """
The chart runs again every second, on the server, which sends it to you. The button counts in
`st.session_state`, which lives as long as your session: cut the connection for a moment or restart
a worker of the gateway, and the count goes on.
"""


def live(st: ModuleType) -> None:
    """Show rush hour at Harbour Bridge, and count clicks."""
    st.title("Rush hour")
    st.markdown(INTRODUCTION)
    st.session_state.setdefault("count", 0)
    if st.button("Count up", key="count-up", type="primary"):
        st.session_state["count"] += 1
    st.markdown(f"Count: {st.session_state['count']}")
    st.fragment(rush_hour, run_every=1)(st)


def rush_hour(st: ModuleType) -> None:
    """Draw the last minute at Harbour Bridge."""
    now = datetime.now(timezone.utc).replace(microsecond=0, tzinfo=None)
    state = st.session_state
    state.setdefault("since", now)
    state.setdefault("drawn", now - timedelta(seconds=SECONDS_SHOWN))
    state.setdefault("passed", [])
    # A click runs this once more within a second, and after a lost connection many are missing.
    missing = int((now - state["drawn"]).total_seconds())
    state["passed"] = [*state["passed"], *(riders() for _ in range(missing))][-SECONDS_SHOWN:]
    state["drawn"] = now

    seconds, clock, passed = st.columns(3)
    seconds.metric("Seconds since you came", int((now - state["since"]).total_seconds()))
    clock.metric("Time of the server", f"{now:%H:%M:%S}")
    passed.metric("Bicycles in a minute", sum(state["passed"]))
    st.bar_chart(
        {
            "time": [now - timedelta(seconds=ago) for ago in reversed(range(SECONDS_SHOWN))],
            "bicycles": state["passed"],
        },
        x="time",
        y="bicycles",
        x_label="Time (UTC)",
        y_label="Bicycles per second",
        height=260,
    )


def riders() -> int:
    """Return how many bicycles pass in a second: a Poisson process, as on a real bridge."""
    passed = 0
    arrival = random.expovariate(BICYCLES_PER_SECOND)
    while arrival < 1:
        passed += 1
        arrival += random.expovariate(BICYCLES_PER_SECOND)
    return passed
