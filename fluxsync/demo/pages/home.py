"""The first page: a year of bicycle counts, as charts that ask the API."""

from __future__ import annotations

import typing as t
from datetime import date

from .calls import read

if t.TYPE_CHECKING:
    from types import ModuleType

    from fluxsync import ApiClient

INTRODUCTION = """
Four counters stand beside the cycle paths of Brightwater, a small town that does not exist.
This page reads their counts from an HTTP API and draws them. **Pages and API share one port**:
fluxsync answers `/api` itself and passes everything else to Streamlit, WebSockets included.
"""

LINKS = """
Ask the API yourself: [documentation](api/docs) · [counts per month](api/counts?per=month) ·
[the car-free Sunday](api/days/2025-06-15)
"""

RIDDLES = """
- Where did the riders of Harbour Bridge go for two weeks in September?
- One Sunday has more riders than any working day. Which?
- Who is up first: the people at the docks, or those at the university?
"""

# Of the stations, in the API's order; each keeps its own when others are hidden.
COLOURS = ("#2878b5", "#2a9d6f", "#9b5fc0", "#e8973a")


def home(st: ModuleType, client: ApiClient) -> None:
    """Show the year in a few numbers and two charts."""
    st.title("A year in Brightwater")
    st.markdown(INTRODUCTION)

    summary = read(st, client, "/summary")
    names = {s["id"]: s["name"] for s in read(st, client, "/stations")["stations"]}
    total, busiest, quietest = st.columns(3)
    total.metric("Bicycles in 2025", f"{summary['bicycles']:,}")
    total.caption(f"at {len(names)} stations")
    for column, label, day in (
        (busiest, "Busiest day", summary["busiest"]),
        (quietest, "Quietest day", summary["quietest"]),
    ):
        column.metric(label, f"{date.fromisoformat(day['day']):%a, %d %b}")
        column.caption(f"{day['bicycles']:,} bicycles, {weather(day)}")

    chosen = st.pills(
        "Stations",
        list(names),
        selection_mode="multi",
        default=list(names),
        format_func=names.__getitem__,
        key="stations",
    )
    if not chosen:
        st.info("Choose a station to see its counts.")
        return
    per = st.segmented_control(
        "Average of each", ["day", "week", "month"], default="week", key="per"
    )
    counts = read(st, client, "/counts", station=chosen, per=per or "week")["counts"]
    lines = {names[station]: values(counts, station) for station in names if station in chosen}
    st.line_chart(
        {"start": dates(counts), **lines},
        x="start",
        y=list(lines),
        color=[COLOURS[i % len(COLOURS)] for i, s in enumerate(names) if s in chosen],
        x_label="",
        y_label="Bicycles per day",
    )

    st.subheader("An average day")
    hours = read(st, client, "/hours", station=chosen)["hours"]
    st.area_chart(
        {
            "hour": [hour["hour"] for hour in hours],
            "Working day": [hour["working_day"] for hour in hours],
            "Weekend": [hour["weekend"] for hour in hours],
        },
        x="hour",
        y=["Working day", "Weekend"],
        color=[COLOURS[0], COLOURS[3]],
        x_label="Hour of the day",
        y_label="Bicycles per hour",
        stack=False,
    )

    st.subheader("Three riddles")
    st.markdown(RIDDLES)
    st.markdown(LINKS)


def dates(counts: list[dict[str, t.Any]]) -> list[date]:
    """Return the beginnings of the periods, in order."""
    return sorted({date.fromisoformat(point["start"]) for point in counts})


def values(counts: list[dict[str, t.Any]], station: str) -> list[float]:
    """Return the values of one station, in the order of the periods."""
    return [point["bicycles_per_day"] for point in counts if point["station"] == station]


def weather(day: dict[str, t.Any]) -> str:
    """Describe the weather of a day in two words."""
    rain = f"{day['rain_mm']:g} mm of rain" if day["rain_mm"] else "dry"
    return f"{day['temperature_celsius']:g} °C, {rain}"
