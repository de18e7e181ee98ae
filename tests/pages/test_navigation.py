"""The script that Streamlit runs, as Streamlit runs it."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fluxsync.pages.command import SCRIPT, TARGET_VARIABLE
from fluxsync.upstream import client

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
        return AppTest.from_file(str(SCRIPT), default_timeout=20).run()

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


def test_page_config_reaches_streamlit(run_script: RunScript) -> None:
    test = run_script(PAGES, "{'layout': 'sideways'}")

    assert "layout" in test.exception[0].message
