"""A form that writes through the API, above the latest entries, read through the API."""

from __future__ import annotations

import typing as t
from datetime import datetime

from ..models import Kind
from .calls import CallFailed, answer, read

if t.TYPE_CHECKING:
    from types import ModuleType

    from fluxsync import ApiClient

SHOWN = 10

# What the fields of the API are called on the page.
LABELS = {"author": "Your name", "station": "Where", "kind": "What", "note": "Note"}


def form(st: ModuleType, client: ApiClient) -> None:
    """Show the form, what became of the last attempt, and the latest sightings."""
    st.title("Sightings")
    st.markdown("Saw something on two wheels, or on one? The next visitor will read it here.")

    names = {s["id"]: s["name"] for s in read(st, client, "/stations")["stations"]}
    with st.form("sighting"):
        left, right = st.columns(2)
        left.text_input(LABELS["author"], key="author")
        right.selectbox(
            LABELS["station"], list(names), format_func=names.__getitem__, key="station"
        )
        st.selectbox(LABELS["kind"], [kind.value for kind in Kind], key="kind")
        st.text_area(LABELS["note"], key="note", height=80)
        st.form_submit_button("Save", type="primary", on_click=save, args=(st, client))
    show_outcome(st)

    listed = read(st, client, "/sightings", limit=SHOWN)
    st.subheader("Latest sightings")
    st.caption(f"{len(listed['sightings'])} of {listed['total']}")
    for sighting in listed["sightings"]:
        with st.container(border=True):
            left, right = st.columns([1, 2])
            left.markdown(f"**{sighting['kind'].capitalize()}**")
            left.caption(f"{names[sighting['station']]}  \n{utc(sighting['seen_at'])}")
            # Other people's words are text, never Markdown: that could load pictures.
            right.text(sighting["note"])
            right.text(f"— {sighting['author']}")


def save(st: ModuleType, client: ApiClient) -> None:
    """Send the form to the API; runs before the page does, so that it can empty a field."""
    sighting = {field: st.session_state[field] for field in LABELS}
    try:
        answer(lambda: client.post("/sightings", json=sighting))
    except CallFailed as e:
        st.session_state["outcome"] = e
    else:
        st.session_state["outcome"] = None
        st.session_state["note"] = ""


def show_outcome(st: ModuleType) -> None:
    """Say once whether the sighting was saved, and if not, what to change."""
    if "outcome" not in st.session_state:
        return
    failure = st.session_state.pop("outcome")
    if failure is None:
        st.success("Saved. Thank you!")
    elif failure.fields:
        lines = [f"- **{LABELS.get(name, name)}**: {why}" for name, why in failure.fields.items()]
        st.error("\n".join([f"{failure}", *lines]))
    else:
        st.error(str(failure))


def utc(timestamp: str) -> str:
    """Write a time of the API's for people."""
    # Python 3.10 doesn't know Z.
    return f"{datetime.fromisoformat(timestamp.replace('Z', '+00:00')):%d %b %Y %H:%M} UTC"
