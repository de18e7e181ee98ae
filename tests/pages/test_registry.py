from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.exceptions import PageError
from fluxsync.pages.meta import PageMeta
from fluxsync.pages.planning import Planner
from fluxsync.pages.registry import PageRegistry
from fluxsync.sansio.routing import Route, route


def page() -> None: ...


def _sales_by_region() -> None: ...


class Callable:
    def __call__(self) -> None: ...


@pytest.fixture
def registry() -> PageRegistry:
    return PageRegistry("/api", Planner({"st": object, "client": object}, {}))


def test_add(registry: PageRegistry) -> None:
    record = registry.add("/sales", page, title="Sales", icon="📈")

    assert (record.path, record.title, record.icon) == ("/sales", "Sales", "📈")
    assert record.function is page
    assert record.slug == "sales"
    assert registry.records == (record,)


def test_records_are_in_the_order_of_registration(registry: PageRegistry) -> None:
    for path in ("/b", "/", "/a"):
        registry.add(path, page)

    assert [record.path for record in registry.records] == ["/b", "/", "/a"]


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        pytest.param("", "/", id="empty"),
        pytest.param("/", "/", id="root"),
        pytest.param("a/", "/a", id="slash at the other end"),
        pytest.param("/über-uns_1.~", "/über-uns_1.~", id="letters, digits and signs"),
    ],
)
def test_path(registry: PageRegistry, path: str, kept: str) -> None:
    assert registry.add(path, page).path == kept


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        pytest.param("/a/b", "use '/a-b'", id="nested"),
        pytest.param("/a b", "characters that a page's path can't have", id="space"),
        pytest.param("/a\n", "characters that a page's path can't have", id="line break"),
        pytest.param("/%61", "characters that a page's path can't have", id="encoded"),
        pytest.param("/..", "characters that a page's path can't have", id="dots"),
        pytest.param("/api", r"the API \(api_mount_path\) answers '/api'", id="the API's"),
        pytest.param("/healthz", "fluxsync answers '/healthz'", id="ours"),
        pytest.param("/static/", "Streamlit answers '/static'", id="Streamlit's"),
    ],
)
def test_path_that_no_page_can_have(registry: PageRegistry, path: str, complaint: str) -> None:
    with pytest.raises(PageError, match=complaint):
        registry.add(path, page)

    assert registry.records == ()


@given(st.text(max_size=5) | st.sampled_from(["_stcore", "readyz", "v1", "...", "__fluxsync"]))
def test_a_page_is_refused_or_can_be_seen(path: str) -> None:
    registry = PageRegistry("/v1/api", Planner({}, {}))

    try:
        record = registry.add(path, page)
    except PageError:
        return
    assert route(record.path, "/v1/api") is Route.STREAMLIT
    assert "/" not in record.slug


def test_path_that_is_taken(registry: PageRegistry) -> None:
    registry.add("/a", page)

    with pytest.raises(
        PageError, match=r"page '/a' of _sales_by_region\(\) .* already, by page\(\)"
    ):
        registry.add("a/", _sales_by_region)


@pytest.mark.parametrize(
    ("function", "title"),
    [
        pytest.param(_sales_by_region, "Sales By Region", id="function"),
        pytest.param(Callable(), "Page", id="no name"),
        pytest.param(lambda: None, "<Lambda>", id="lambda"),
    ],
)
def test_title_is_made_of_the_name(
    registry: PageRegistry, function: t.Callable[[], None], title: str
) -> None:
    assert registry.add("/", function).title == title


def both(st: object, client: object) -> None: ...


def swapped(client: object, st: object = None, *args: object, **kwargs: object) -> None: ...


def keyword(*, client: object, color: str = "red") -> None: ...


def positional(st: object, /) -> None: ...


def unknown(st: object, database: object) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        pytest.param(page, (), id="none"),
        pytest.param(both, ("st", "client"), id="both"),
        pytest.param(swapped, ("client", "st"), id="and any others"),
        pytest.param(keyword, ("client",), id="keyword, and one with a default"),
    ],
)
def test_parameters(
    registry: PageRegistry, function: t.Callable[..., None], parameters: tuple[str, ...]
) -> None:
    assert set(registry.add("/", function).plan.sources) == set(parameters)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        pytest.param(unknown, "a parameter 'database' that nobody fills", id="unknown"),
        pytest.param(positional, "'st' by position only", id="can't be given by name"),
    ],
)
def test_parameter_that_nobody_fills(
    registry: PageRegistry, function: t.Callable[..., None], complaint: str
) -> None:
    with pytest.raises(PageError, match=f"page '/' takes {complaint}"):
        registry.add("/", function)

    assert registry.records == ()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        pytest.param({"title": 3}, "title=3: expected a text", id="title"),
        pytest.param({"icon": ["x"]}, "icon=.*: expected a text", id="icon"),
        pytest.param({"tags": "sales"}, "tags='sales': expected a list", id="one tag"),
        pytest.param({"tags": [1]}, "tags=.*: expected a list of texts", id="tags"),
        pytest.param({"meta": "wide"}, "page_meta='wide': expected PageMeta", id="meta"),
        pytest.param({"meta": {"colour": 1}}, "no field 'colour'", id="unknown field"),
    ],
)
def test_what_is_said_of_a_page(
    registry: PageRegistry, given: dict[str, t.Any], complaint: str
) -> None:
    with pytest.raises(PageError, match=complaint):
        registry.add("/", page, **given)

    assert registry.records == ()


def test_not_a_function(registry: PageRegistry) -> None:
    with pytest.raises(PageError, match="page '/' is 'home': expected a function"):
        registry.add("/", "home")  # type: ignore[arg-type]


def test_description(registry: PageRegistry) -> None:
    """It's what the meta data say, or the first line of the docstring."""

    def documented() -> None:
        """Show sales.

        At length.
        """

    assert registry.add("/", page).description == ""
    assert registry.add("/a", documented).description == "Show sales."
    said = registry.add("/b", documented, meta=PageMeta(description="All sales"))
    assert said.description == "All sales"


def yielding() -> t.Iterator[PageMeta]:
    yield PageMeta(layout="wide")


async def yielding_asynchronously() -> t.AsyncIterator[PageMeta]:
    yield PageMeta(layout="wide")


def test_generator_functions(registry: PageRegistry) -> None:
    with pytest.raises(PageError, match="set experimental_yield_pages"):
        registry.add("/", yielding)
    with pytest.raises(PageError, match="asynchronous generator"):
        registry.add("/", yielding_asynchronously)

    yields = PageRegistry("/api", Planner({}, {}), yields=True)
    assert yields.add("/", yielding).path == "/"


def test_all_or_nothing(registry: PageRegistry) -> None:
    before = registry.add("/", page)

    with pytest.raises(PageError, match=r"'/' .* already"), registry.all_or_nothing():  # noqa: PT012
        registry.add("/a", page)
        registry.add("/", page)

    assert registry.records == (before,)
