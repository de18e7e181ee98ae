"""What parameters of pages may be, and what is said of those that may not."""

from __future__ import annotations

import datetime
import enum
import functools
import typing as t

import pydantic
import pytest
from annotated_types import Ge

from fluxsync import Cookie, Depends, Header, PageError, Query, SessionModel
from fluxsync.pages.markers import MISSING
from fluxsync.pages.planning import Planner
from fluxsync.pages.plans import Dependency, Plan, Provided, QueryModel, State, Text

if t.TYPE_CHECKING:
    from decimal import Decimal  # as many do, for type checkers


class Settings: ...


class OwnSettings(Settings): ...


class Filters(pydantic.BaseModel):
    year: int = 2025
    tags: list[str] = []


class Color(enum.Enum):
    RED = "red"


def user(authorization: t.Annotated[str, Header("Authorization")]) -> str:
    return authorization


PLANNER = Planner({"st": lambda: "st", "client": lambda: "client"}, {Settings: Settings})


def plan(function: t.Callable[..., t.Any], *, strict: bool = False) -> Plan:
    planner = Planner(PLANNER.names, PLANNER.types, strict=strict)
    return planner.plan(function, "page '/x'")


def test_by_name_and_by_type() -> None:
    def page(
        st: t.Any, client: Decimal, settings: OwnSettings, maybe: Settings | None = None
    ) -> None: ...

    found = plan(page).sources

    assert {name: type(source) for name, source in found.items()} == dict.fromkeys(
        ("st", "client", "settings", "maybe"), Provided
    )


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        pytest.param(int, Query(50), ("query", "limit", False, 50), id="plain"),
        pytest.param(
            t.Annotated[int, Query()], ..., ("query", "limit", False, MISSING), id="required"
        ),
        pytest.param(t.Annotated[int, Query()], 5, ("query", "limit", False, 5), id="default"),
        pytest.param(
            t.Annotated[int | None, Query()], ..., ("query", "limit", False, None), id="or none"
        ),
        pytest.param(
            t.Annotated[list[int], Query(alias="l")], ..., ("query", "l", True, MISSING), id="list"
        ),
        pytest.param(
            list[str] | None, Query(None), ("query", "limit", True, None), id="list or none"
        ),
        pytest.param(
            t.Annotated[int, Query(), Ge(1)], 1, ("query", "limit", False, 1), id="with a limit"
        ),
        pytest.param(..., Query("x"), ("query", "limit", False, "x"), id="no type"),
        pytest.param(str, Header(), ("header", "limit", False, MISSING), id="header"),
        pytest.param(str, Header("X-A"), ("header", "X-A", False, MISSING), id="named header"),
        pytest.param(
            str, Cookie("Sid", default="-"), ("cookie", "Sid", False, "-"), id="named cookie"
        ),
    ],
)
def test_texts(annotation: t.Any, default: t.Any, expected: tuple[t.Any, ...]) -> None:
    def page(limit=default): ...  # type: ignore[no-untyped-def] # they're set below

    page.__annotations__ = {} if annotation is ... else {"limit": annotation}
    if default is ...:
        page.__defaults__ = None

    source = plan(page).sources["limit"]

    assert isinstance(source, Text)
    assert (source.kind, source.name, source.many, source.default) == expected


def test_header_of_a_parameter() -> None:
    """Names of fields have hyphens, names of parameters can't."""

    def page(x_real_ip: t.Annotated[str, Header()], session_id: t.Annotated[str, Cookie()]) -> None:
        pass

    sources = plan(page).sources

    assert [getattr(source, "name", None) for source in sources.values()] == [
        "x-real-ip",
        "session_id",
    ]


def test_models() -> None:
    def page(
        filters: t.Annotated[Filters, Query()],
        state: SessionModel,
        kept: t.Annotated[Filters, SessionModel()],
        plain: Filters = SessionModel(),  # type: ignore[assignment]
    ) -> None: ...

    sources = plan(page).sources

    assert sources["filters"] == QueryModel(Filters, "filters")
    states = [sources[name] for name in ("state", "kept", "plain")]
    assert [source.model for source in states if isinstance(source, State)] == [
        None,
        Filters,
        Filters,
    ]


def test_nested_dependencies() -> None:
    def account(user: t.Annotated[str, Depends(user)], limit: int = Query(3)) -> str:
        return user

    def page(account: str = Depends(account, use_cache=False), st: t.Any = None) -> None: ...

    found = plan(page)

    source = found.sources["account"]
    assert isinstance(source, Dependency)
    assert source.function is account
    assert not source.use_cache
    assert list(found.dependencies()) == [account, user]
    assert found.query_names() == {"limit"}


def stacked(number: int, *, twice: bool = False) -> t.Callable[..., t.Any]:
    """Return a function with so many dependencies on top of each other."""

    def lowest() -> None: ...

    function: t.Callable[..., t.Any] = lowest
    for _ in range(number):

        def upper(a: t.Any = Depends(function), b: t.Any = None) -> None: ...

        if twice:
            upper.__defaults__ = (Depends(function), Depends(function))
        function = upper
    return function


def test_many_that_depend_on_the_same() -> None:
    """The work doesn't double with each level."""
    found = plan(stacked(60, twice=True))

    assert len(list(found.dependencies())) == 60
    assert found.query_names() == set()


def test_dependencies_on_top_of_each_other() -> None:
    with pytest.raises(PageError, match=r"^page '/x' has more than 100 dependencies on top of"):
        plan(stacked(1000))


class Search(pydantic.BaseModel):
    number: int = pydantic.Field(1, alias="page")


def test_names_of_a_model_s_parameters() -> None:
    def page(search: t.Annotated[Search, Query()]) -> None: ...

    assert plan(page).query_names() == {"page"}


class Greeter:
    def __init__(self, limit: int = Query(1)) -> None: ...

    def __call__(self, limit: t.Annotated[int, Query()] = 1) -> None: ...

    def method(self, limit: t.Annotated[int, Query()] = 1) -> None: ...


def with_prefix(prefix: str, limit: t.Annotated[int, Query()] = 1) -> None: ...


@pytest.mark.parametrize(
    "dependency",
    [
        pytest.param(Greeter, id="class"),
        pytest.param(Greeter(), id="object"),
        pytest.param(Greeter().method, id="method"),
        pytest.param(functools.partial(with_prefix, "x"), id="partial"),
    ],
)
def test_kinds_of_callables(dependency: t.Callable[..., t.Any]) -> None:
    def page(it: t.Any = Depends(dependency)) -> None: ...

    assert plan(page).query_names() == {"limit"}


def test_local_names() -> None:
    """What is defined beside a page within a function is found, though only annotations name it."""

    def local() -> int:
        return 1

    def page(number: t.Annotated[int, Depends(local)]) -> None: ...

    found = PLANNER.plan(page, "page '/x'", {"local": local})

    assert list(found.dependencies()) == [local]


def test_the_rest_may_be_given() -> None:
    def fragment(job: int, limit: t.Annotated[int, Query()], *, note: str) -> None: ...

    assert set(PLANNER.plan_rest(fragment, "fragment()").sources) == {"limit"}


def circle(again: t.Annotated[int, Depends(lambda: 1)]) -> None: ...


circle.__annotations__ = {"again": t.Annotated[int, Depends(circle)]}


def nobody(database: int) -> None: ...


def no_function(a: int = Depends(None)) -> None: ...


def marker_class(a: int = Query) -> None: ...  # type: ignore[assignment]


def two_markers(a: t.Annotated[int, Query(), Header()]) -> None: ...


def not_imported(a: t.Annotated[Decimal, Query()]) -> None: ...


def type_not_imported(a: Decimal) -> None: ...


def no_text(a: t.Annotated[Settings, Query()]) -> None: ...


class Incomplete(pydantic.BaseModel):
    amount: Decimal


def incomplete(a: t.Annotated[Incomplete, Query()]) -> None: ...


def state_of_texts(a: t.Annotated[int, SessionModel()]) -> None: ...


def deep(a: t.Any = Depends(nobody)) -> None: ...


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        pytest.param(
            nobody,
            "page '/x' takes a parameter 'database' that nobody fills: give it a default, or "
            "Depends, Query, Header or Cookie, or one of these names or types: st, client, "
            "Settings, SessionModel",
            id="nobody fills it",
        ),
        pytest.param(
            deep, "dependency nobody() of page '/x' takes a parameter 'database'", id="deep"
        ),
        pytest.param(no_function, "'a' with Depends(None): give it a function", id="no function"),
        pytest.param(marker_class, "'a' with Query: write Query(...)", id="class"),
        pytest.param(two_markers, "'a' with Query and Header: choose one", id="two"),
        pytest.param(
            not_imported,
            "takes 'a', whose type \"t.Annotated[Decimal, Query()]\" can't be found",
            id="name for type checkers",
        ),
        pytest.param(type_not_imported, "(name 'Decimal' is not defined)", id="its type, too"),
        pytest.param(no_text, "Settings, which no text can be converted to", id="no text"),
        pytest.param(incomplete, "'a', whose model is incomplete: ", id="incomplete model"),
        pytest.param(state_of_texts, "and the type int: use a pydantic model", id="state"),
        pytest.param(
            circle, "dependencies in a circle: circle() -> circle()", id="depends on itself"
        ),
    ],
)
def test_refused(function: t.Callable[..., t.Any], complaint: str) -> None:
    with pytest.raises(PageError) as caught:
        plan(function)

    assert complaint.replace('"', "'") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "annotation",
    [str, bool, float, datetime.date, Color, t.Literal["a"], set[int], tuple[str, ...]],
    ids=str,
)
def test_types_that_texts_are_converted_to(annotation: t.Any) -> None:
    def page(a: t.Any = Query()) -> None: ...

    page.__annotations__ = {"a": annotation}

    assert isinstance(plan(page).sources["a"], Text)


def test_strict() -> None:
    def page(st: t.Any, color: str = "red") -> None: ...

    def starred(st: t.Any, *rest: str) -> None: ...

    assert set(plan(page).sources) == set(plan(starred).sources) == {"st"}
    with pytest.raises(PageError, match="'color', which nobody fills, and strict_page_signatures"):
        plan(page, strict=True)
    with pytest.raises(PageError, match=r"'\*rest', which nobody fills"):
        plan(starred, strict=True)
