"""The documentation says what the code does."""

from __future__ import annotations

import re
import sys
import textwrap
import types

import pytest
import streamlit as st

from fluxsync import FluxSync, FluxSyncSettings
from tests.support.pages import page_test
from tests.support.processes import ROOT

README = (ROOT / "README.rst").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.rst").read_text(encoding="utf-8")


def code_block(text: str, language: str) -> str:
    """Return the first code block of a language."""
    found = re.search(rf"\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", text)
    assert found
    return textwrap.dedent(found[1])


def code_blocks(text: str) -> str:
    """Return the Python of all code blocks."""
    found = re.findall(r"\.\. code-block:: python\n\n((?: {3,}.*\n|\n)+)", text)
    return "\n".join(map(textwrap.dedent, found))


@pytest.mark.parametrize("name", ["api", "client", "pages"])
def test_code_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page of the documentation shows is accepted, one block after the other."""
    source = code_blocks((ROOT / "docs" / f"{name}.rst").read_text(encoding="utf-8"))
    module = types.ModuleType(f"docs_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    exec(compile(source, f"{name}.rst", "exec"), module.__dict__)

    app = module.__dict__.get("app")
    assert app is None or isinstance(app, FluxSync)
    if app is not None:
        app.check_pages()


def test_settings_are_documented_once_each() -> None:
    """Type, default and variable come from the code (docs/_extensions/settings.py)."""
    names = re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"\.\. setting:: (.+)", SETTINGS)))

    assert sorted(names) == sorted(FluxSyncSettings.model_fields)


def test_local_links_of_the_readme() -> None:
    targets = re.findall(r"<([\w./]+\.rst|LICENSE)>|image:: (\S+)", README)

    for target in map("".join, targets):
        assert (ROOT / target).is_file(), target


def test_application_of_the_readme() -> None:
    """Its API answers, and its page shows what the API says."""
    source = code_block(README, "python")
    namespace: dict[str, object] = {}
    exec(source, namespace)
    app = namespace["app"]
    assert isinstance(app, FluxSync)

    users = app.api.test_client().get("/users")
    assert users.json == ["Ada", "Grace", "Katherine"]

    class Client:
        def get(self, path: str) -> object:
            response = app.api.test_client().get(path)  # type: ignore[attr-defined]
            return type("Response", (), {"json": lambda _: response.json})()

    def script(show) -> None:  # type: ignore[no-untyped-def] # it's run without our imports
        show()

    [(_, title, function)] = app.pages
    page = page_test(script, show=lambda: function(st, Client()))
    page.run()
    assert title == "Home"
    assert not page.exception
    assert "Grace" in page.table[0].value.to_string()
