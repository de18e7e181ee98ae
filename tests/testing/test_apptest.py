"""Pages under Streamlit's AppTest: with this package's client, and with Streamlit's own."""

from __future__ import annotations

import os
import sys
import threading
import time
import typing as t

import flask
import pytest
import streamlit
from streamlit.runtime import Runtime
from streamlit.testing.v1 import AppTest

from fluxsync import ApiClient, FluxSync
from fluxsync.gateway.calls import CALL
from fluxsync.pages.markers import Depends, Header, Query
from fluxsync.testing import (
    FluxSyncTestClient,
    apptest_assert_no_errors,
    apptest_select_page,
    assert_no_streamlit_exception,
    streamlit_main_path,
)
from fluxsync.testing.surroundings import show_application
from tests.support.pages import script_test

if t.TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1.element_tree import ElementList

    Texts: t.TypeAlias = ElementList[t.Any]

#: Made before there's any test.
EARLY = ApiClient()


def texts(at: AppTest) -> list[str]:
    return [element.value for element in at.text]


def make(name: str = "Ada") -> FluxSync:
    """Return an application that no module has."""
    app = FluxSync(title="Users")
    api: flask.Flask = app.api

    @api.get("/name")
    def get_name() -> str:
        return name

    @api.get("/lines")
    def get_lines() -> t.Any:
        return api.response_class(iter(["one\n", "two\n"]))

    @app.page("/", title="Home")
    def home(st: t.Any, client: ApiClient) -> None:
        st.text(client.get("/name").text)
        if st.button("Again"):
            st.text(f"again {client.get('/name').text}")

    @app.page("/year-report", title="The year")
    def report(st: t.Any) -> None:
        st.text(f"{st.query_params.get('year')} {sorted(st.query_params)}")

    @app.page("/stream")
    def stream(st: t.Any, client: ApiClient) -> None:
        with client.stream("GET", "/lines") as response:
            st.text(" ".join(line.decode() for line in response.iter_lines()))

    @app.page("/clients")
    def clients(st: t.Any, client: ApiClient) -> None:
        def in_thread() -> None:
            answers.append(ApiClient().get("/name").text)

        def clicked() -> None:
            st.session_state["clicked"] = ApiClient().get("/name").text

        answers = [ApiClient().get("/name").text, EARLY.get("/name").text]
        answers.append(client.with_bearer("x").get("/name").text)
        answers.append(app.get_client().get("/name").text)
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
        st.button("Click", on_click=clicked)
        st.text(" ".join([*answers, st.session_state.get("clicked", "")]))

    @app.page("/fails")
    def fails(st: t.Any) -> None:
        st.error("careful,\n  now")
        raise ValueError("two\nlines")

    @app.page("/endless")
    def endless(st: t.Any) -> None:
        while True:
            st.empty()
            time.sleep(0.01)

    return app


def user() -> str:
    return "from the database"


def injected() -> FluxSync:
    app = FluxSync(title="Injected")

    @app.page("/")
    def home(
        st: t.Any,
        who: t.Annotated[str | None, Header("X-User")],
        name: t.Annotated[str, Depends(user)],
        year: t.Annotated[int, Query()] = 2025,
    ) -> None:
        st.text(f"{who} {year} {name}")
        st.button("Again")

    return app


@pytest.fixture
def client() -> t.Iterator[FluxSyncTestClient]:
    with FluxSyncTestClient(make()) as client:
        yield client


def test_page_reaches_the_api(client: FluxSyncTestClient) -> None:
    at = client.streamlit()

    client.assert_no_streamlit_exception(at)
    assert texts(at) == ["Ada"]


def test_later_runs_reach_it_too(client: FluxSyncTestClient) -> None:
    at = client.streamlit()

    at.button[0].click().run()

    assert texts(at) == ["Ada", "again Ada"]
    assert texts(at.run()) == ["Ada"]


@pytest.mark.parametrize("page", ["/year-report", "year-report", "The year"])
def test_other_pages(client: FluxSyncTestClient, page: str) -> None:
    at = client.streamlit(query_params={"year": "2024", "tag": ["a", "b"]})

    assert client.select_page(at, page) is at
    assert texts(at) == ["2024 ['tag', 'year']"]
    assert texts(apptest_select_page(at, "/")) == ["Ada"]


def test_begin_with_another_page(client: FluxSyncTestClient) -> None:
    at = client.streamlit(query_params={"page": "/stream"})

    assert texts(at) == ["one two"]


def test_selected_page_stays(client: FluxSyncTestClient) -> None:
    at = client.select_page(client.streamlit(), "/clients")

    at.button[0].click().run()

    assert texts(at) == ["Ada Ada Ada Ada Ada Ada"]


def test_unknown_page(client: FluxSyncTestClient) -> None:
    at = client.streamlit()

    with pytest.raises(ValueError, match="'/nowhere' is no page's path or title: there are /, /y"):
        client.select_page(at, "/nowhere")

    assert texts(at.run()) == ["Ada"]


def test_overrides() -> None:
    app = injected()
    client = FluxSyncTestClient(app)
    assert texts(client.streamlit(query_params={"year": "2020"})) == ["None 2020 from the database"]

    app.dependency_overrides[user] = lambda: "fake"
    at = client.streamlit(page_overrides={"who": "ada", "year": 1999})
    at.button[0].click().run()

    assert texts(at) == ["ada 1999 fake"]
    assert texts(client.streamlit()) == ["None 2025 fake"]


def test_session_state_and_secrets() -> None:
    app = FluxSync(title="State")

    @app.page("/")
    def home(st: t.Any) -> None:
        st.text(f"{st.session_state['user']} {st.secrets['key']}")

    client = FluxSyncTestClient(app)
    at = client.streamlit(session_state={"user": "ada"}, secrets={"key": "k"})
    later = client.streamlit(run=False)
    later.session_state["user"] = "grace"
    later.secrets["key"] = "g"

    assert texts(at) == ["ada k"]
    assert texts(later.run()) == ["grace g"]


def test_pages_call_as_in_production() -> None:
    """Not by the path of browsers, and as pages, whom nobody trusts more than others."""
    app = FluxSync(title="Mounted")
    api: flask.Flask = app.api

    @api.get("/root")
    def root() -> str:
        return f"{flask.request.root_path} {flask.request.environ.get(CALL)}"

    @app.page("/")
    def home(st: t.Any, client: ApiClient) -> None:
        st.text(client.get("/root").text)

    assert texts(FluxSyncTestClient(app, root_mount="/x").streamlit()) == ["/api True"]


def state() -> list[object]:
    """Return what runs change for a moment."""
    return [dict(os.environ), list(sys.path), streamlit.secrets, Runtime._instance]


def test_everything_is_as_before(client: FluxSyncTestClient) -> None:
    before = state()
    at = client.streamlit(secrets={"a": "b"})
    client.select_page(at, "/fails")
    with pytest.raises(RuntimeError, match="timed out"):
        client.streamlit(query_params={"page": "/endless"}, secrets={"a": "b"}, timeout=0.3)

    assert state() == before
    assert EARLY.base_url == "http://127.0.0.1:8000/api"
    with pytest.raises(RuntimeError, match=r"runs in FluxSyncTestClient\.streamlit\(\) only"):
        show_application()
    assert texts(client.streamlit()) == ["Ada"]


def test_application_by_its_target(client: FluxSyncTestClient, tmp_path: Path) -> None:
    code = "from tests.testing.test_apptest import make\napp = make('Grace')\n"
    (tmp_path / "targeted.py").write_text(code)
    before = state()
    try:
        at = client.streamlit(target="targeted:app", extra_sys_path=tmp_path)
        assert state() == before
        at.run()
    finally:
        sys.modules.pop("targeted", None)

    # The calls are answered by the client's own application.
    assert texts(at) == ["Ada"]
    assert at.sidebar is not None
    assert state() == before


def test_target_that_is_not_there(client: FluxSyncTestClient) -> None:
    at = client.streamlit(target="nowhere_at_all:app")

    with pytest.raises(AssertionError, match="TargetError: there is no module 'nowhere_at_all'"):
        assert_no_streamlit_exception(at)


def test_streamlits_own_apptest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setenv("FLUXSYNC_APP", "own_apptest:app")
    code = (
        "from fluxsync import FluxSync\n"
        "app = FluxSync(title='Own')\n"
        "@app.page('/')\n"
        "def home(st):\n"
        "    st.text('here')\n"
        "@app.page('/there')\n"
        "def there(st):\n"
        "    st.text('there')\n"
    )
    (tmp_path / "own_apptest.py").write_text(code)
    try:
        at = script_test(streamlit_main_path()).run()

        apptest_assert_no_errors(at)
        assert texts(at) == ["here"]
        assert texts(apptest_select_page(at, "/there")) == ["there"]
        with pytest.raises(ValueError, match=r"is no page's path or title$"):
            apptest_select_page(at, "/nowhere")
    finally:
        sys.modules.pop("own_apptest", None)


def test_what_a_page_shows_is_told_in_one_line(client: FluxSyncTestClient) -> None:
    at = client.select_page(client.streamlit(), "/fails")

    for check in (assert_no_streamlit_exception, apptest_assert_no_errors):
        with pytest.raises(AssertionError) as raised:
            check(at)
        told = "the page shows ValueError: two lines; st.error: careful, now"
        assert str(raised.value) == told


def test_tests_in_threads() -> None:
    """Each gets its own application; they take turns."""
    found: dict[str, list[str]] = {}
    overlaps: list[bool] = []
    inside = threading.Lock()
    other = threading.Event()
    barrier = threading.Barrier(3)

    def run(name: str) -> None:
        app = make(name)

        @app.page("/turn")
        def turn(st: t.Any, client: ApiClient) -> None:
            is_first = inside.acquire(blocking=False)
            overlaps.append(not is_first)
            if not is_first:
                other.set()
            # Whoever could come in has the time to.
            other.wait(0.2)
            st.text(client.get("/name").text)
            if is_first:
                inside.release()

        with FluxSyncTestClient(app) as client:
            barrier.wait()
            at = client.streamlit(query_params={"page": "turn"})
            found[name] = texts(at)

    names = ("Ada", "Grace", "Katherine")
    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {name: [name] for name in names}
    assert overlaps == [False] * 3
