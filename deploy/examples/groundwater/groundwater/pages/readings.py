"""The latest readings, a form for a new one, and one to correct or delete one."""

from __future__ import annotations

import typing as t
from types import ModuleType

from fluxsync import FluxSync, PageMeta

from ..models import Role
from ..visitor import AnyVisitor, Visitor, plain

LABELS = {"well_id": "Well", "taken_on": "Day", "level_m": "Level in metres", "note": "Note"}
SHOWN = 50


def register(app: FluxSync) -> None:
    meta = PageMeta(order=2)
    app.page("/readings", title="Readings", icon="📝", page_meta=meta)(readings)


def readings(st: ModuleType, visitor: AnyVisitor) -> None:
    """List the latest readings, and let editors add and correct some."""
    st.title("Readings")
    visitor.show_outcome(LABELS)
    wells = {row["id"]: row["name"] for row in visitor.read("/wells")}
    latest = visitor.read("/readings", limit=SHOWN)
    if visitor.role.includes(Role.EDITOR) and wells:
        add, change = st.tabs(["Add", "Correct"])
        with add:
            show_new(st, visitor, wells)
        with change:
            show_change(st, visitor, latest)
    st.subheader("Latest")
    st.dataframe(
        {
            "Day": [row["taken_on"] for row in latest],
            "Well": [row["well"]["name"] for row in latest],
            "Level (m)": [row["level_m"] for row in latest],
            "Note": [row["note"] for row in latest],
            "By": [row["changed_by"] for row in latest],
        },
        hide_index=True,
        key="latest",
    )


def show_new(st: ModuleType, visitor: Visitor, wells: dict[int, str]) -> None:
    with st.form("new"):
        left, middle, right = st.columns(3)
        left.selectbox(
            LABELS["well_id"], list(wells), format_func=wells.__getitem__, key="new-well_id"
        )
        middle.date_input(LABELS["taken_on"], key="new-taken_on")
        right.number_input(LABELS["level_m"], value=None, format="%.2f", key="new-level_m")
        st.text_input(LABELS["note"], key="new-note")
        st.form_submit_button("Add", type="primary", on_click=add, args=(st, visitor))


def add(st: ModuleType, visitor: Visitor) -> None:
    """Send the form; its fields stay as they are if the API refuses them."""
    state = st.session_state
    reading = {field: state[f"new-{field}"] for field in LABELS}
    reading["taken_on"] = str(reading["taken_on"])
    if visitor.send("POST", "/readings", "The reading was added.", json=reading):
        state["new-level_m"], state["new-note"] = None, ""


def show_change(st: ModuleType, visitor: Visitor, latest: list[dict[str, t.Any]]) -> None:
    rows = {row["id"]: row for row in latest}
    chosen = st.selectbox(
        "Reading",
        list(rows),
        format_func=lambda id: f"{rows[id]['taken_on']}, {rows[id]['well']['name']}",
        key="chosen",
    )
    if chosen is None:
        return
    row = rows[chosen]
    # The version is part of the keys: once somebody else has changed the reading, this is
    # another form, with the new values.
    prefix = f"{row['id']}-{row['version']}"
    with st.form(prefix):
        st.number_input(
            LABELS["level_m"], value=row["level_m"], format="%.2f", key=f"{prefix}-level_m"
        )
        st.text_input(LABELS["note"], value=row["note"], key=f"{prefix}-note")
        st.caption(f"Version {row['version']}, by {plain(row['changed_by'])}")
        left, right = st.columns(2)
        given = (st, visitor, row["id"], row["version"])
        with left:
            st.form_submit_button("Save", type="primary", on_click=save, args=given)
        with right:
            st.form_submit_button("Delete", on_click=delete, args=given)


def save(st: ModuleType, visitor: Visitor, id: int, version: int) -> None:
    values = {name: st.session_state[f"{id}-{version}-{name}"] for name in ("level_m", "note")}
    body = {**values, "version": version}
    visitor.send("PUT", f"/readings/{id}", "The reading was changed.", json=body)


def delete(st: ModuleType, visitor: Visitor, id: int, version: int) -> None:
    path = f"/readings/{id}?version={version}"
    visitor.send("DELETE", path, "The reading was deleted.")
