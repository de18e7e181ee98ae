from __future__ import annotations

import typing as t

import pytest

from fluxsync.exceptions import PageError
from fluxsync.pages.ordering import NavigationModel, arrange, check, default_page
from fluxsync.pages.planning import Planner
from fluxsync.pages.registry import PageRecord, PageRegistry


def page() -> None: ...


def registered(**pages: t.Any) -> tuple[PageRecord, ...]:
    """Return pages: ``home`` is the root's, others have their names as paths."""
    registry = PageRegistry("/api", Planner({}, {}))
    for name, meta in pages.items():
        path = "" if name == "root" else name
        registry.add(path, page, title=name.title(), meta=meta or None)
    return registry.records


def outline(records: tuple[PageRecord, ...], *order: str) -> list[tuple[str, list[str]]]:
    return [
        (section.heading, [f"{entry.record.path} {entry.title}" for entry in section.entries])
        for section in arrange(records, NavigationModel(order))
    ]


def test_order_of_registration() -> None:
    assert outline(registered(b={}, root={}, a={})) == [("", ["/b B", "/ Root", "/a A"])]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(("a",), ["/a A", "/d D", "/c C", "/b B"], id="the rest by their own order"),
        pytest.param(("/b", "c/"), ["/b B", "/c C", "/d D", "/a A"], id="slashes don't matter"),
        pytest.param((), ["/d D", "/c C", "/a A", "/b B"], id="by their own order"),
    ],
)
def test_order(order: tuple[str, ...], expected: list[str]) -> None:
    records = registered(a={}, b={}, c={"order": 2}, d={"order": -1})

    assert outline(records, *order) == [("", expected)]


def test_root_is_called_home_in_fluxlit() -> None:
    assert outline(registered(a={}, root={}), "home") == [("", ["/ Root", "/a A"])]
    assert outline(registered(root={}, home={}), "home") == [("", ["/home Home", "/ Root"])]


def test_children_make_sections() -> None:
    records = registered(
        month={},
        reports={"children": ["/year", {"path": "month", "title": "By month"}]},
        about={},
        year={"children": [{"url_path": "week"}]},
        week={},
    )

    assert outline(records) == [
        ("", ["/about About"]),
        ("Reports", ["/reports Reports", "/year Year", "/week Week", "/month By month"]),
    ]


def test_icons() -> None:
    records = registered(
        a={"page_icon": "🅰️", "children": [{"path": "b", "icon": "🅱️"}, "c"]},
        b={"page_icon": "-"},
        c={},
    )

    (section,) = arrange(records, NavigationModel())
    assert [entry.icon for entry in section.entries] == ["🅰️", "🅱️", None]


@pytest.mark.parametrize(
    ("pages", "order", "fault"),
    [
        pytest.param(
            {"a": {}, "b": {}},
            ("x",),
            "NavigationModel order has 'x', which is no page: use one of /a, /b",
            id="unknown in the order",
        ),
        pytest.param(
            {"a": {"children": ["x"]}},
            (),
            "page '/a' has the child 'x', which is no page: use one of /a",
            id="unknown child",
        ),
        pytest.param(
            {"a": {"children": ["c"]}, "b": {"children": ["c"]}, "c": {}},
            (),
            "page '/c' is a child of '/a' and '/b': choose one",
            id="two parents",
        ),
        pytest.param(
            {"a": {"children": ["b"]}, "b": {"children": ["a"]}},
            (),
            "page '/a' is below itself: remove it from the children",
            id="circle",
        ),
        pytest.param(
            {"a": {"children": ["a"]}},
            (),
            "page '/a' is below itself: remove it from the children",
            id="itself",
        ),
    ],
)
def test_faults(pages: dict[str, t.Any], order: tuple[str, ...], fault: str) -> None:
    records = registered(**pages)

    assert check(records, NavigationModel(order))[0] == fault
    with pytest.raises(PageError) as caught:
        arrange(records, NavigationModel(order))
    assert str(caught.value) == fault


@pytest.mark.parametrize("order", ["home", [1], [None]])
def test_order_that_is_none(order: t.Any) -> None:
    with pytest.raises(PageError, match="expected a list of paths"):
        NavigationModel(order)


@pytest.mark.parametrize(
    ("pages", "path"),
    [
        pytest.param({"a": {"children": ["/"]}, "root": {}}, "/", id="of the root"),
        pytest.param({"a": {"order": 2}, "b": {"order": 1}}, "/b", id="the first"),
    ],
)
def test_default_page(pages: dict[str, t.Any], path: str) -> None:
    sections = arrange(registered(**pages), NavigationModel())

    assert default_page(sections).path == path
