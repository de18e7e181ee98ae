from __future__ import annotations

import typing as t

import pytest

from fluxsync import PageError, PageMeta
from fluxsync.pages.meta import page_meta


def test_config() -> None:
    meta = PageMeta(page_title="Sales", layout="wide", breadcrumb="x", order=1)

    assert meta.config == {"page_title": "Sales", "layout": "wide"}


@pytest.mark.parametrize(
    ("breadcrumb", "trail"), [(None, ""), ("Sales", "Sales"), (("Sales", "2025"), "Sales / 2025")]
)
def test_trail(breadcrumb: t.Any, trail: str) -> None:
    assert PageMeta(breadcrumb=breadcrumb).trail == trail


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        pytest.param(
            {"layout": "sideways"},
            "PageMeta layout='sideways': expected input should be 'centered' or 'wide'",
            id="value",
        ),
        pytest.param(
            {"colour": "x"}, "PageMeta has no field 'colour': use one of page_title", id="n"
        ),
        pytest.param(
            {"children": [{"path": "a", "name": "b"}]},
            "PageMeta has no field 'children.0.name'",
            id="of a child",
        ),
    ],
)
def test_refused(values: dict[str, t.Any], complaint: str) -> None:
    with pytest.raises(PageError) as caught:
        PageMeta(**values)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param([1], None, id="something else"),
        pytest.param({"order": 1}, PageMeta(order=1), id="a mapping"),
        pytest.param(PageMeta(order=2), PageMeta(order=2), id="itself"),
    ],
)
def test_page_meta(value: t.Any, expected: PageMeta | None) -> None:
    assert page_meta(value) == expected


def test_mapping_without_names() -> None:
    with pytest.raises(PageError, match="expected names of its fields"):
        page_meta({1: 2})
