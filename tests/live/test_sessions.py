"""URL sessions of pages and of the API, which are different processes."""

from __future__ import annotations

import json
import re
import sqlite3
import typing as t

import pytest

from tests.conftest import StartServer
from tests.live.served import Application
from tests.support.http import Connection
from tests.support.scripts import run_script
from tests.support.waiting import eventually

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

APP = """
import os

import flask

from fluxsync import (
    FluxSync, ensure_url_session, hydrate_url_session, new_session_id, persist_url_session
)

app = FluxSync(title="Shop")


@app.api.post("/carts")
def begin():
    sid = new_session_id(app.session_store)
    app.session_store.set(sid, {"cart": ["tea"]})
    return {"sid": sid}


@app.api.get("/cart")
def cart():
    return {"cart": app.session_store.get(flask.request.args["s"]), "pid": os.getpid()}


@app.page("/")
def home(st):
    sid = ensure_url_session(st, app.session_store, initial={"cart": []})
    hydrate_url_session(st, app.session_store)
    st.session_state.cart.append("milk")
    persist_url_session(st, app.session_store, keys=["cart"])
    st.text(sid)
"""


def run_page(site: Application, query: str = "") -> str:
    with Connection(site.port) as connection:
        [sid] = run_script(connection, query=query)
    assert re.fullmatch(r"[\w-]{43}\.[\w-]{43}", sid), sid
    return sid


def cart(site: Application, sid: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(site.get(f"/api/cart?s={sid}").body))


def test_pages_and_api_share_sessions(serve: StartServer) -> None:
    """All workers and pages know them, nothing is set for that, and a restart doesn't end them."""
    site = Application(
        "fluxsync.wsgi",
        files={"app.py": APP},
        args=["--workers", "2"],
        env={"FLUXSYNC_URL_SESSION_QUERY_PARAM": "s"},
    )
    serve(site)

    of_page = run_page(site)
    seen: set[int] = set()

    def both_workers() -> bool:
        seen.add(cart(site, of_page)["pid"])
        return len(seen) == 2

    eventually(both_workers)
    assert cart(site, of_page)["cart"] == {"cart": ["milk"]}

    of_api = json.loads(site.post("/api/carts", b"").body)["sid"]
    assert run_page(site, f"s={of_api}") == of_api
    assert cart(site, of_api)["cart"] == {"cart": ["tea", "milk"]}

    forged = of_api[:-2] + ("AA" if of_api[-2:] != "AA" else "BB")
    assert run_page(site, f"s={forged}") not in (of_api, forged)
    assert cart(site, "made-up")["cart"] is None

    site.stop()
    assert of_api not in site.output
    [file] = site.state_base.glob("sessions-*.sqlite3")
    assert file.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(file) as database:
        assert len(database.execute("SELECT id FROM session").fetchall()) == 3
    database.close()
