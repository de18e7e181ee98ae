"""Pages with what Streamlit has besides widgets."""

from __future__ import annotations

import pathlib
import typing as t

import streamlit as st
from streamlit.components.v1 import declare_component

from fluxsync import ApiClient, Depends, FluxSync, Header, PageMeta, Query

HERE = pathlib.Path(__file__).parent

app = FluxSync(title="Features")

counter = declare_component("counter", path=str(HERE / "counter"))
opened: list[str] = []


@app.api.get("/beats")
def beats() -> dict[str, int]:
    return {"beats": 72}


def recorder() -> t.Iterator[list[str]]:
    opened.append("open")
    try:
        yield opened
    finally:  # also where the browser interrupts the page
        opened.pop()


@app.page("/", page_meta=PageMeta(page_title="Start of all", breadcrumb="Here"))
def start(client: ApiClient) -> None:
    st.title("Start")
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.text(f"page run {st.session_state.runs}")
    part(name="part")
    if st.button("Ask"):
        ask()
    st.text(f"answer {st.session_state.get('answer')}")
    st.page_link(app.streamlit_page("/other"), label="To the other one")


@st.fragment
@app.inject
def part(name: str, client: ApiClient, recorder: t.Annotated[list[str], Depends(recorder)]) -> None:
    st.session_state.beats = st.session_state.get("beats", 0) + 1
    beats = client.get("/beats").json()["beats"]
    st.text(f"{name} run {st.session_state.beats}, {beats} beats, {len(recorder)} open")
    st.button("Again")


@st.dialog("A question")
@app.inject
def ask(client: ApiClient) -> None:
    answer = st.text_input("Answer")
    if st.button("Submit"):
        st.session_state.answer = f"{answer} {client.get('/beats').json()['beats']}"
        st.rerun()


@app.page("/other")
def other(
    user_agent: t.Annotated[str, Header()],
    year: t.Annotated[list[int], Query()],
    theme: str = Query("light"),
) -> None:
    st.title("Other")
    st.text(f"years {year}, theme {theme}")
    st.text(f"agent {user_agent.partition('/')[0]}")
    st.text(f"locale {st.context.locale}")
    st.text(f"clicks {counter(key='counter', default=0)}")
    st.markdown("![A dot](app/static/dot.svg)")


@app.page("/account")
def account() -> None:
    st.title("Account")
    if st.user.is_logged_in:
        st.text(f"Hello {st.user.email}")
        st.button("Log out", on_click=st.logout)
    else:
        st.button("Log in", on_click=st.login)


@app.page("/broken")
def broken() -> None:
    raise ValueError("no such table")
