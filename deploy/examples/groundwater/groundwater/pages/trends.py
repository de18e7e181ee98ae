"""The wells' trends, and the long job that computes them."""

from __future__ import annotations

import typing as t
from types import ModuleType

from fluxsync import FluxSync, PageMeta

from ..models import JobState, Role
from ..visitor import AnyVisitor, Visitor, plain

ENDS = {
    JobState.DONE: "Computed.",
    JobState.CANCELLED: "The computation was cancelled.",
    JobState.FAILED: "The computation has failed.",
    JobState.LOST: "The computation was interrupted.",
}


def register(app: FluxSync) -> None:
    meta = PageMeta(layout="wide", order=4)
    app.page("/trends", title="Trends", icon="📉", page_meta=meta)(trends)


def trends(st: ModuleType, visitor: AnyVisitor) -> None:
    """Show how fast levels change, and let editors compute it anew."""
    st.title("Trends")
    visitor.show_outcome({"resamples": "Resamples"})
    job = latest_job(visitor)
    if job and job["state"] == JobState.RUNNING.value:
        st.fragment(show_progress, run_every=1)(st, visitor)
    else:
        if job:
            show_end(st, job)
        if visitor.role.includes(Role.EDITOR):
            show_start(st, visitor)
    if rows := visitor.read("/trends"):
        draw(st, rows)
        st.download_button(
            "Download as CSV",
            lambda: visitor.client.get("/trends.csv").content,
            file_name="trends.csv",
            mime="text/csv",
            on_click="ignore",
        )


def latest_job(visitor: Visitor) -> dict[str, t.Any] | None:
    answer = visitor.client.get("/trends/job")
    return dict(answer.json()) if answer.ok else None


def show_start(st: ModuleType, visitor: Visitor) -> None:
    with st.form("start"):
        st.select_slider(
            "Resamples", [300, 1000, 3000, 10_000, 30_000], value=1000, key="resamples"
        )
        st.form_submit_button("Compute", type="primary", on_click=start, args=(st, visitor))


def start(st: ModuleType, visitor: Visitor) -> None:
    body = {"resamples": st.session_state["resamples"]}
    if visitor.send("POST", "/trends/job", "", json=body):
        st.session_state.pop("outcome")  # the progress shows it


def show_progress(st: ModuleType, visitor: Visitor) -> None:
    """Show how far the job is; runs each second, and the whole page when the job has ended."""
    job = latest_job(visitor)
    if job is None or job["state"] != JobState.RUNNING.value:
        st.rerun()
        return
    share = job["done"] / job["total"] if job["total"] else 0.0
    text = f"{job['done']} of {job['total']} wells, started by {plain(job['started_by'])}"
    st.progress(share, text=text)
    if visitor.role.includes(Role.EDITOR):
        path = f"/trends/job/{job['id']}"
        st.button("Cancel", on_click=lambda: visitor.client.delete(path), key="cancel")


def show_end(st: ModuleType, job: dict[str, t.Any]) -> None:
    state = JobState(job["state"])
    if state is JobState.DONE:
        st.progress(1.0, text=f"100 %. {job['message']}")
    else:
        st.warning(ENDS[state])
        st.text(job["message"])


def draw(st: ModuleType, rows: list[dict[str, t.Any]]) -> None:
    """Draw each well's slope with its range."""
    data = {
        "well": [row["well"]["name"] for row in rows],
        **{name: [round(row[name], 1) for row in rows] for name in ("slope", "low", "high")},
    }
    y = {"field": "well", "type": "nominal", "sort": None, "title": None}
    colour = {
        "condition": {"test": "datum.high < 0", "value": "#c0436b"},
        "value": "#0b6fa4",
    }
    tooltip = [{"field": name} for name in data]
    st.vega_lite_chart(
        data,
        {
            "height": {"step": 26},
            "encoding": {"y": y, "color": colour, "tooltip": tooltip},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
                    "encoding": {
                        "x": {
                            "field": "low",
                            "type": "quantitative",
                            "title": "Millimetres per year, with the range that holds 90 %",
                            "axis": {"tickCount": 8},
                        },
                        "x2": {"field": "high"},
                    },
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                    "encoding": {"x": {"field": "slope", "type": "quantitative"}},
                },
            ],
        },
        key="trends",
    )
    st.caption("Red: the whole range is below zero.")
