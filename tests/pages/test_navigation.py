"""The script that Streamlit runs, as Streamlit runs it."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxsync.pages.command import SCRIPT, TARGET_VARIABLE
from fluxsync.upstream import client
from tests.support.pages import script_test

if t.TYPE_CHECKING:
    from streamlit.testing.v1.element_tree import ElementList

HEAD = """
from fluxsync import FluxSync
app = FluxSync(title="Bikes", streamlit_page_config=CONFIG)
"""

PAGES = """
@app.page("/about")
def about(client, st):
    st.text(client.base_url)

@app.page("/", title="Welcome", icon="🚲")
def home(st, greeting="hello"):
    "Say hello."
    st.text(greeting)
    st.text(st.session_state.setdefault("runs", 0))
    st.session_state.runs += 1

@app.page("/plain")
def plain():
    import streamlit
    streamlit.text("no parameters")
"""


class RunScript(t.Protocol):
    def __call__(self, pages: str, config: str = "None") -> AppTest: ...


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[RunScript]:
    """Run the script for an application, whose module is imported as Streamlit does it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(client, "_shared", None)
    monkeypatch.setenv(TARGET_VARIABLE, "navigated:app")
    monkeypatch.setenv(client.API_BASE_VARIABLE, "http://127.0.0.1:9/api")

    def run(pages: str, config: str = "None") -> AppTest:
        (tmp_path / "navigated.py").write_text(HEAD.replace("CONFIG", config) + pages)
        return script_test(SCRIPT).run()

    yield run
    sys.modules.pop("navigated", None)
    if client._shared is not None:
        client._shared.close()


def texts(elements: ElementList[t.Any]) -> list[str]:
    return [element.value for element in elements]


def registered(test: AppTest) -> list[tuple[str, str, str]]:
    """Return path, title and icon of the pages that Streamlit knows."""
    return [
        (page["url_pathname"], page["page_name"], page.get("icon", ""))
        for page in pages(test).values()
    ]


def pages(test: AppTest) -> dict[str, t.Any]:
    """Return what Streamlit knows of its pages, by their hashes."""
    if not hasattr(test, "_registered_pages"):
        pytest.skip("this Streamlit's AppTest doesn't know the pages of st.navigation()")
    return t.cast("dict[str, t.Any]", test._registered_pages)


def test_pages(run_script: RunScript) -> None:
    test = run_script(PAGES)

    assert not test.exception
    assert registered(test) == [
        ("about", "About", ""),
        ("", "Welcome", "🚲"),
        ("plain", "Plain", ""),
    ]


def test_page_of_the_root_is_the_default(run_script: RunScript) -> None:
    test = run_script(PAGES)

    assert texts(test.text) == ["hello", "0"]


def test_page_is_called_on_each_rerun(run_script: RunScript) -> None:
    test = run_script(PAGES)

    assert texts(test.run().text) == ["hello", "1"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        pytest.param("about", "http://127.0.0.1:9/api", id="client"),
        pytest.param("plain", "no parameters", id="no parameters"),
    ],
)
def test_other_pages(run_script: RunScript, path: str, shown: str) -> None:
    test = run_script(PAGES)
    test._page_hash = next(number for number, p in pages(test).items() if p["url_pathname"] == path)

    assert texts(test.run().text) == [shown]


def test_first_page_is_the_default_without_one_of_the_root(run_script: RunScript) -> None:
    test = run_script(PAGES.replace('"/"', '"/home"').replace("client, st", "st"))

    assert [path for path, _, _ in registered(test)] == ["", "home", "plain"]


def test_no_pages(run_script: RunScript) -> None:
    test = run_script("")

    assert texts(test.title) == ["Bikes"]
    assert "@app.page" in texts(test.info)[0]


def test_page_config(run_script: RunScript) -> None:
    assert not run_script(PAGES, "{'layout': 'wide', 'page_title': 'Bikes'}").exception


SECTIONS = """
from fluxsync import NavigationModel, PageMeta

@app.page("/sales", title="Sales", page_meta=PageMeta(
    page_icon="📈", breadcrumb="Money", layout="wide", children=[{"path": "month", "title": "Now"}]
))
def sales(st, client):
    st.text("sales")

@app.page("/month")
def month(st):
    st.text(st.query_params.to_dict())

@app.page("/", title="Welcome")
def home(st):
    st.text("home")

@app.page("/about")
def about(st, page: int = 1):
    st.text("about")

app.navigation(NavigationModel(order=("/about",)))
"""


def test_sections(run_script: RunScript) -> None:
    test = run_script(SECTIONS)

    assert registered(test) == [
        ("about", "About", ""),
        ("", "Welcome", ""),
        ("sales", "Sales", "📈"),
        ("month", "Now", ""),
    ]
    assert texts(test.text) == ["home"]


def follow(test: AppTest, **query: str) -> AppTest:
    """Open the root with query parameters."""
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


@pytest.mark.parametrize("wanted", ["Month", "/month", "month"])
def test_deep_link_keeps_other_parameters(run_script: RunScript, wanted: str) -> None:
    test = follow(run_script(SECTIONS), page=wanted, year="2025", region="north")

    assert texts(test.text) == ["{'year': '2025', 'region': 'north'}"]
    assert set(test.query_params) == {"year", "region"}


def test_deep_link_to_the_page_itself(run_script: RunScript) -> None:
    test = follow(run_script(SECTIONS), page="Welcome", year="2025")

    assert texts(test.text) == ["home"]


def test_a_page_s_own_parameter(run_script: RunScript) -> None:
    """What is no page is left to the application."""
    test = follow(run_script(SECTIONS), page="7")

    assert texts(test.text) == ["home"]
    assert set(test.query_params) == {"page"}


def test_breadcrumb(run_script: RunScript) -> None:
    test = follow(run_script(SECTIONS), page="/sales")

    assert texts(test.caption) == ["Money"]
    assert texts(test.text) == ["sales"]


def test_page_that_fails_does_not_take_others_down(run_script: RunScript) -> None:
    test = run_script(
        """
@app.page("/")
def broken(st):
    raise ValueError("no such table")

@app.page("/fine")
def fine(st):
    st.text("fine")
"""
    )

    assert test.exception[0].message == "no such table"
    assert texts(follow(test, page="/fine").text) == ["fine"]


def test_navigation_that_does_not_go_together(run_script: RunScript) -> None:
    test = run_script(SECTIONS.replace('"/about",)', '"/nowhere",)'))

    assert "NavigationModel order has '/nowhere', which is no page" in test.exception[0].message


def test_link_to_a_page(run_script: RunScript) -> None:
    test = run_script(
        PAGES
        + """
@app.page("/links")
def links(st):
    st.page_link(app.streamlit_page("about"))
    app.streamlit_page("/nowhere")
"""
    )
    test = follow(test, page="links")

    assert "there is no page '/nowhere': use one of /about, /" in test.exception[0].message
    (link,) = test.get("page_link")
    assert link.proto.page == "about"
