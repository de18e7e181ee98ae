from __future__ import annotations

import types
import typing as t

import pytest

from fluxsync import match_nav_page, query_params

PAGES = [
    ("/", "Start", object),
    ("/orders", "All orders", object),
    ("/all", "orders", object),
    ("/home", "House", object),
]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        pytest.param("All orders", "/orders", id="title"),
        pytest.param("/orders", "/orders", id="path"),
        pytest.param("orders", "/orders", id="slug; the first one wins"),
        pytest.param("orders/", "/orders", id="slashes don't matter"),
        pytest.param("/", "/", id="root"),
        pytest.param("home", "/", id="what FluxLit calls the root"),
        pytest.param("/home", "/home", id="its path"),
        pytest.param("Orders", None, id="case"),
        pytest.param("", None, id="empty"),
        pytest.param("7", None, id="an application's own"),
    ],
)
def test_match(wanted: str, path: str | None) -> None:
    found = match_nav_page({"page": wanted}, PAGES)

    assert (found and found[0]) == path


def test_other_key() -> None:
    assert match_nav_page({"view": "/all", "page": "/"}, PAGES, page_key="view") == (
        "/all",
        "orders",
    )
    assert match_nav_page({}, PAGES) is None


class _Unreadable(dict[str, t.Any]):
    def __iter__(self) -> t.Iterator[str]:
        raise RuntimeError("not in a page")


@pytest.mark.parametrize(
    ("params", "expected"),
    [({"a": "1", "b": 2}, {"a": "1", "b": "2"}), (_Unreadable(), {})],
    ids=["texts", "outside of a page"],
)
def test_query_params(params: dict[str, t.Any], expected: dict[str, str]) -> None:
    assert query_params(types.SimpleNamespace(query_params=params)) == expected
