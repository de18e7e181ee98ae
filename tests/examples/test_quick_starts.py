"""The small examples, which are the quick starts and recipes that FluxLit's users know."""

from __future__ import annotations

import importlib.util
import sys
import typing as t

import pytest

from fluxsync import FluxSync, streamlit_main_path
from fluxsync.testing import FluxSyncTestClient
from tests.support.pages import script_test
from tests.support.processes import ROOT

if t.TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest

EXAMPLES = ROOT / "deploy" / "examples"

pytestmark = pytest.mark.streamlit


def load(name: str) -> FluxSync:
    """Return the application of an example; several modules are called ``app``."""
    module_name = f"example {name}"
    spec = importlib.util.spec_from_file_location(module_name, EXAMPLES / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return t.cast("FluxSync", module.app)


def metrics(page: AppTest) -> list[tuple[str, str]]:
    return [(metric.label, metric.value) for metric in page.metric]


def test_quick_start() -> None:
    with FluxSyncTestClient(load("quickstart")) as client:
        page = client.streamlit()

        client.assert_no_streamlit_exception(page)
        assert page.title[0].value == "Reading room"
        assert list(page.table[0].value["title"]) == ["Sylva", "Micrographia"]
        assert b"1664" in client.api_get("/books").data


def test_streamlit_main_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that Streamlit runs can be run by AppTest without our client, too."""
    monkeypatch.setenv("FLUXSYNC_APP", f"{EXAMPLES}/multipage/app.py:app")
    monkeypatch.chdir(EXAMPLES / "multipage")
    monkeypatch.syspath_prepend(EXAMPLES / "multipage")

    page = script_test(streamlit_main_path()).run()

    assert page.title[0].value == "Seed library"


class TestTypedPages:
    @pytest.fixture
    def client(self) -> t.Iterator[FluxSyncTestClient]:
        with FluxSyncTestClient(load("typed-pages")) as client:
            yield client

    def test_order(self, client: FluxSyncTestClient) -> None:
        """``NavigationModel`` orders the menu; the root is the default page anyway."""
        page = client.streamlit()

        client.assert_no_streamlit_exception(page)
        assert page.title[0].value.endswith("Brest")
        assert metrics(page) == [("high at 04:12", "6.8 m"), ("low at 10:31", "1.4 m")]

    def test_query(self, client: FluxSyncTestClient) -> None:
        page = client.streamlit(query_params={"harbour": "Cuxhaven", "kinds": ["low"]})

        assert page.title[0].value.endswith("Cuxhaven")
        assert metrics(page) == [("low at 07:46", "0.3 m")]

    def test_wrong_query(self, client: FluxSyncTestClient) -> None:
        page = client.streamlit(query_params={"harbour": "Basel"})

        assert [error.value for error in page.error] == [
            "Query parameter 'harbour' is 'Basel': expected 'Brest' or 'Cuxhaven'."
        ]
        assert not page.title

    def test_session_state(self, client: FluxSyncTestClient) -> None:
        page = client.streamlit()
        page.checkbox(key="in_feet").check().run()

        assert metrics(page)[0] == ("high at 04:12", "22.3 ft")

    def test_dependency_overrides(self, client: FluxSyncTestClient) -> None:
        # The functions are the example's own; a test beside it would import them.
        greeting = client.app.page_records[0].plan.sources["greeting"]
        client.app.dependency_overrides[greeting.function] = lambda: "Ahoy"  # type: ignore[union-attr]

        assert client.streamlit().title[0].value == "Ahoy, Brest"

    def test_page_overrides(self, client: FluxSyncTestClient) -> None:
        page = client.streamlit(
            query_params={"page": "visitor"},
            page_overrides={"user_agent": "Test/1.0", "traceparent": "00-1-2-01"},
        )

        client.assert_no_streamlit_exception(page)
        assert [text.value for text in page.markdown] == ["Browser: Test/1.0", "Trace: 00-1-2-01"]
        assert page.caption[0].value == "Tide tables / Visitor  \nWhat came with the request"

    def test_api_is_typed(self, client: FluxSyncTestClient) -> None:
        tides = client.client().get("/tides/Brest").json()
        assert tides[0] == {"at": "04:12:00", "metres": 6.8}
        assert "/tides/{harbour}" in client.openapi()["paths"]

    def test_manifest(self, client: FluxSyncTestClient) -> None:
        home = client.app.build_page_manifest()["pages"][0]

        assert home["description"] == "Today's high and low water."
        assert [name.rpartition(".")[2] for name in home["dependencies"]] == [
            "greeting",
            "clock",
            "journal",
        ]


def test_multipage() -> None:
    """Its own tests are what users copy."""
    from tests.examples.test_groundwater import OWN_TESTS, run

    run(*OWN_TESTS, "test_app.py", cwd=EXAMPLES / "multipage")


def test_fastapi() -> None:
    with FluxSyncTestClient(load("fastapi")) as client:
        page = client.streamlit()

        client.assert_no_streamlit_exception(page)
        assert page.json[0].value == '{"station": "north", "ready": true}'
        assert page.text[0].value == "23:00 12.5"
        assert client.openapi()["info"]["title"] == "Weather"
