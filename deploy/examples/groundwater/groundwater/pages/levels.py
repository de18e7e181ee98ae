"""A chart of the water levels; what it shows is in the URL, to be shared."""

from __future__ import annotations

import typing as t
from datetime import date
from types import ModuleType

from fluxsync import FluxSync, PageMeta, Query

from ..schemas import FIRST_DAY, Day
from ..visitor import AnyVisitor, plain

MOST = 6
COLOURS = ["#0b6fa4", "#e07b39", "#3a8f5c", "#8a5fbf", "#c0436b", "#6b7280"]


def register(app: FluxSync) -> None:
    meta = PageMeta(layout="wide", order=1)
    app.page("/", title="Levels", icon="📈", page_meta=meta)(levels)


def levels(
    st: ModuleType,
    visitor: AnyVisitor,
    well: t.Annotated[list[str], Query(description="Names of wells, repeated")] = [],  # noqa: B006
    since: t.Annotated[Day | None, Query(description="First day")] = None,
) -> None:
    """Show how levels have changed, for wells and a time that can be chosen."""
    st.title("Water levels")
    ids = {row["name"]: row["id"] for row in visitor.read("/wells")}
    if not ids:
        st.info("There are no wells yet.")
        return
    if unknown := [name for name in well if name not in ids]:
        st.warning("The address names wells that aren't there.")
        st.text(", ".join(unknown))
    state = st.session_state
    if "wells" not in state:
        state["wells"] = [name for name in well if name in ids][:MOST] or list(ids)[:3]
        state["since"] = since or date(2016, 1, 1)
    left, right = st.columns([3, 1])
    chosen = left.multiselect("Wells", list(ids), key="wells", max_selections=MOST)
    first = right.date_input("Since", key="since", min_value=FIRST_DAY)
    st.query_params.from_dict({"well": chosen, "since": first.isoformat()})
    if not chosen:
        st.info("Choose a well.")
        return

    rows = visitor.read("/levels", well=[ids[name] for name in chosen], since=first.isoformat())
    by_well: dict[str, list[dict[str, t.Any]]] = {name: [] for name in chosen}
    for row in rows:
        by_well[row["well"]].append(row)
    for column, (name, of_well) in zip(st.columns(len(chosen)), by_well.items(), strict=True):
        if of_well:
            change = of_well[-1]["level_m"] - of_well[0]["level_m"]
            column.metric(plain(name), f"{of_well[-1]['level_m']:.2f} m", f"{change:+.2f} m")
        else:
            column.metric(plain(name), "no readings")
    if rows:
        draw(st, by_well)
        st.caption("Monthly averages. The address of this page shows the same to your colleagues.")


def draw(st: ModuleType, by_well: dict[str, list[dict[str, t.Any]]]) -> None:
    """Draw a line for each well, from where it was in its first month."""
    points = [
        (row["month"], name, round(row["level_m"] - of_well[0]["level_m"], 3))
        for name, of_well in by_well.items()
        for row in of_well
    ]
    months, wells, changes = zip(*points, strict=True)
    names = list(by_well)
    st.vega_lite_chart(
        {"month": months, "well": wells, "change": changes},
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {
                "x": {
                    "field": "month",
                    "type": "temporal",
                    "title": None,
                    "axis": {"format": "%b %Y", "tickCount": 8},
                },
                "y": {"field": "change", "type": "quantitative", "title": "Change in metres"},
                "color": {
                    "field": "well",
                    "type": "nominal",
                    "title": None,
                    "scale": {"domain": names, "range": COLOURS[: len(names)]},
                    "legend": {"orient": "top"},
                },
                "tooltip": [{"field": "well"}, {"field": "month"}, {"field": "change"}],
            },
            "height": 360,
        },
        key="levels",
    )
