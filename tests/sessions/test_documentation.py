"""docs/sessions.rst says what the code does."""

from __future__ import annotations

import re
import textwrap
import typing as t

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fluxsync import FluxSync
from tests.support.pages import page_test
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "sessions.rst").read_text(encoding="utf-8")
CODE = [
    textwrap.dedent(block)
    for block in re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", TEXT)
]


@pytest.fixture
def namespace() -> dict[str, t.Any]:
    """What the document's code makes."""
    namespace: dict[str, t.Any] = {}
    for code in CODE:
        exec(code, namespace)
    return namespace


def script(show):  # type: ignore[no-untyped-def] # it's run without our imports
    show()


def test_code(namespace: dict[str, t.Any]) -> None:
    """A cart that the API begins is the page's, and is still there for another tab."""
    app, shop = namespace["app"], namespace["shop"]
    assert isinstance(app, FluxSync)
    api = app.api.test_client()
    begun: t.Any = api.post("/carts").json
    _, _, query = begun["link"].partition("?")
    name, _, sid = query.partition("=")

    def tab() -> AppTest:
        page = page_test(script, show=lambda: shop(st))
        page.query_params[name] = sid
        return page.run()

    first = tab()
    first.button[0].click().run()
    assert not first.exception
    assert api.get(f"/cart?{query}").json == {"cart": ["tea", "tea"]}
    assert tab().json[0].value == '["tea", "tea"]'
    assert api.get(f"/cart?{name}=other").json == {}
