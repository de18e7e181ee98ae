"""What pages get, as Streamlit runs them."""

from __future__ import annotations

import contextvars
import dataclasses
import typing as t

import pydantic
import pytest
from streamlit.testing.v1 import AppTest

from fluxsync import (
    ApiClient,
    Cookie,
    Depends,
    FluxSync,
    FluxSyncFeatureFlags,
    FluxSyncSettings,
    Header,
    PageMeta,
    Query,
    SessionModel,
)
from fluxsync.pages.overrides import FLAG, VARIABLE, page_overrides
from tests.support.pages import page_test

#: The application that the script shows; tests of one process run one after another.
_shown: list[FluxSync] = []


def script() -> None:
    from fluxsync.pages.navigation import show
    from tests.pages.test_parameters import _shown

    show(_shown[-1])


@pytest.fixture
def app() -> t.Iterator[FluxSync]:
    application = FluxSync(title="Bikes", settings=FluxSyncSettings(experimental_yield_pages=True))
    _shown.append(application)
    yield application
    _shown.remove(application)


def run(**query: str | list[str]) -> AppTest:
    test = page_test(script)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def shown(test: AppTest) -> list[str]:
    assert not test.exception, test.exception[0].message
    return [element.value for element in test.text]


class Filters(pydantic.BaseModel):
    year: int = 2025
    stations: list[str] = []


def test_what_is_the_application_s(app: FluxSync) -> None:
    @app.page("/")
    def page(
        st: t.Any,
        settings: FluxSyncSettings,
        own: FluxSync,
        flags: FluxSyncFeatureFlags,
        api: ApiClient,
    ) -> None:
        st.text(settings is app.settings and own is app)
        st.text(flags.experimental_yield_pages)
        st.text(type(api).__name__)

    assert shown(run()) == ["True", "True", "ApiClient"]


def test_query(app: FluxSync) -> None:
    @app.page("/")
    def page(
        st: t.Any,
        filters: t.Annotated[Filters, Query()],
        limit: int = Query(50),
        tag: t.Annotated[list[str] | None, Query()] = None,
    ) -> None:
        st.text((limit, tag, filters.year, filters.stations))

    assert shown(run()) == ["(50, None, 2025, [])"]
    assert shown(run(limit="7", tag=["a", "b"], stations=["x", "y"], year="2024")) == [
        "(7, ['a', 'b'], 2024, ['x', 'y'])"
    ]
    # The last one of several, as in st.query_params.
    assert shown(run(limit=["7", "8"], tag="a")) == ["(8, ['a'], 2025, [])"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param(
            {"limit": "many"},
            "Query parameter 'limit' is 'many': expected a valid integer, unable to parse string "
            "as an integer.",
            id="wrong",
        ),
        pytest.param({}, "Query parameter 'limit' is missing.", id="missing"),
        pytest.param(
            {"limit": "1", "token": "s3cret-and-long"},
            "Query parameter 'token' is ***: expected a valid integer, unable to parse string as "
            "an integer.",
            id="secret",
        ),
        pytest.param(
            {"limit": "1", "year": "x"},
            "Query parameter 'year' is 'x': expected a valid integer, unable to parse string as an "
            "integer.",
            id="of a model",
        ),
        pytest.param(
            {"limit": r"![a](https://b.c) \[d](e) `f` www.g.h i@j.k"},
            # Escaped for Markdown, which makes links of addresses all the same, if they're whole.
            r"Query parameter 'limit' is '!\[a\](https:~//b.c) \\\\\[d\](e) \`f\` www~.g.h i@~j.k': "
            "expected a valid integer, unable to parse string as an integer.".replace(
                "~", "\u200b"
            ),
            id="no links or images",
        ),
    ],
)
def test_wrong_query(app: FluxSync, query: dict[str, str], error: str) -> None:
    """The user whose URL it is sees a line; the page isn't called."""

    @app.page("/")
    def page(
        st: t.Any,
        limit: t.Annotated[int, Query()],
        filters: t.Annotated[Filters, Query()],
        token: int = Query(0),
    ) -> None:
        st.text("shown")

    test = run(**query)

    assert shown(test) == []
    assert [element.value for element in test.error] == [error]


def test_overrides(app: FluxSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """In tests only, parameters get other values than what came with the request."""

    @app.page("/")
    def page(
        st: t.Any,
        user: t.Annotated[str | None, Header("X-Remote-User")],
        sid: t.Annotated[int, Cookie("Sid")] = 0,
        limit: int = Query(1),
    ) -> None:
        st.text((user, sid, limit))

    assert shown(run()) == ["(None, 0, 1)"]
    with page_overrides({"user": "ada", "sid": "7"}):
        assert shown(run(limit="2")) == ["('ada', 7, 2)"]
    monkeypatch.setenv(VARIABLE, '{"user": "grace"}')
    assert shown(run()) == ["(None, 0, 1)"]
    monkeypatch.setenv(FLAG, "1")
    assert shown(run()) == ["('grace', 0, 1)"]
    monkeypatch.setenv(VARIABLE, "grace")
    assert "FLUXSYNC_TEST_PAGE_OVERRIDES='grace': expected a JSON object" in (
        run().exception[0].message
    )


def test_header_of_the_wrong_kind_is_not_shown(app: FluxSync) -> None:
    @app.page("/")
    def page(authorization: t.Annotated[int, Header()]) -> None: ...

    with page_overrides({"authorization": "Bearer s3cret"}):
        test = run()

    assert "'authorization' is ***: expected" in test.error[0].value


def test_session_models(app: FluxSync) -> None:
    @app.page("/")
    def page(st: t.Any, state: SessionModel, filters: t.Annotated[Filters, SessionModel()]) -> None:
        st.text(filters.year)
        state.write_from(Filters(year=filters.year + 1))

    test = run()

    assert shown(test) == ["2025"]
    assert shown(test.run()) == ["2026"]
    test.session_state["year"] = "x"
    assert "Session state 'year' is 'x'" in test.run().error[0].value


def test_dependencies(app: FluxSync) -> None:
    """They're called once in each run, in the order in which they're needed, and cleaned up."""
    calls: list[str] = []

    def connection() -> t.Iterator[str]:
        calls.append("open")
        yield "connection"
        calls.append("close")

    async def user(connection: t.Annotated[str, Depends(connection)]) -> str:
        calls.append("user")
        return f"ada by {connection}"

    async def cache() -> t.AsyncIterator[str]:
        calls.append("connect")
        yield "cache"
        calls.append("disconnect")

    def number(use: t.Any = Depends(connection), *, fresh: bool = True) -> int:
        calls.append("number")
        return 1

    @app.page("/")
    def page(
        st: t.Any,
        connection: t.Annotated[str, Depends(connection)],
        user: t.Annotated[str, Depends(user)],
        cache: t.Annotated[str, Depends(cache)],
        one: t.Annotated[int, Depends(number, use_cache=False)],
        other: t.Annotated[int, Depends(number, use_cache=False)],
    ) -> None:
        calls.append("page")
        st.text((connection, user, cache))

    assert shown(run()) == ["('connection', 'ada by connection', 'cache')"]
    assert calls == [
        *("open", "user", "connect", "number", "number", "page", "disconnect", "close"),
    ]


def test_dependency_overrides(app: FluxSync) -> None:
    def database() -> str:
        raise AssertionError("the real one")

    def fake(limit: int = Query(1)) -> str:
        return f"fake {limit}"

    @app.page("/")
    def page(st: t.Any, database: t.Annotated[str, Depends(database)]) -> None:
        st.text(database)

    app.dependency_overrides[database] = fake

    assert shown(run(limit="3")) == ["fake 3"]


COMMITTED, ROLLED_BACK = ["open", "commit", "close"], ["open", "roll back", "close"]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        pytest.param(lambda app, st: None, COMMITTED, id="return"),
        pytest.param(lambda app, st: st.stop(), COMMITTED, id="stop"),
        pytest.param(lambda app, st: st.rerun(), COMMITTED, id="rerun"),
        pytest.param(
            lambda app, st: st.switch_page(app.streamlit_page("/other")), COMMITTED, id="switch"
        ),
        pytest.param(lambda app, st: 1 / 0, ROLLED_BACK, id="error"),
    ],
)
def test_how_a_page_ends(
    app: FluxSync, end: t.Callable[[FluxSync, t.Any], object], expected: list[str]
) -> None:
    """A page that ends itself has succeeded, as far as its dependencies see."""
    calls: list[str] = []

    def transaction() -> t.Iterator[None]:
        calls.append("open")
        try:
            yield
        except Exception:
            calls.append("roll back")
            raise
        else:
            calls.append("commit")
        finally:
            calls.append("close")

    def is_first(st: t.Any) -> bool:
        first = "seen" not in st.session_state
        st.session_state.seen = True
        return first

    @app.page("/")
    def page(
        st: t.Any,
        first: t.Annotated[bool, Depends(is_first)],
        transaction: t.Annotated[None, Depends(transaction)],
    ) -> None:
        if first:
            end(app, st)
        else:
            calls.append("again")

    @app.page("/other")
    def other() -> None: ...

    run()

    assert calls[:3] == expected


def _fail(message: str) -> t.NoReturn:
    raise ValueError(message)


def test_dependency_that_fails(app: FluxSync) -> None:
    """Its user sees it, as any other error of a page; what was opened is closed."""
    calls: list[str] = []

    def opened() -> t.Iterator[None]:
        yield
        calls.append("closed")

    def broken(opened: t.Annotated[None, Depends(opened)]) -> t.Iterator[None]:
        yield _fail("no such table")

    def empty() -> t.Iterator[None]:
        yield from ()

    @app.page("/")
    def page(broken: t.Annotated[None, Depends(broken)]) -> None: ...

    @app.page("/empty")
    def other(empty: t.Annotated[None, Depends(empty)]) -> None: ...

    test = run()

    assert test.exception[0].message == "no such table"
    assert calls == []
    assert "empty() yields nothing" in run(page="empty").exception[0].message


def test_context_variables_reach_coroutines(app: FluxSync) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")

    def choose() -> None:
        tenant.set("acme")

    async def read() -> str:
        return tenant.get()

    @app.page("/")
    def page(
        st: t.Any,
        chosen: t.Annotated[None, Depends(choose)],
        name: t.Annotated[str, Depends(read)],
    ) -> None:
        st.text(name)

    assert shown(run()) == ["acme"]


def test_streamlit_works_in_coroutines(app: FluxSync) -> None:
    async def note(st: t.Any) -> None:
        st.text("from a coroutine")

    @app.page("/")
    async def page(st: t.Any, noted: t.Annotated[None, Depends(note)]) -> None:
        st.text("so is the page")

    assert shown(run()) == ["from a coroutine", "so is the page"]


def test_inject(app: FluxSync) -> None:
    """Parts of a page get parameters too, and share dependencies with it."""
    calls: list[str] = []

    def connection() -> t.Iterator[str]:
        calls.append("open")
        yield "connection"
        calls.append("close")

    @app.inject
    def part(name: str, st: t.Any, connection: t.Annotated[str, Depends(connection)]) -> None:
        calls.append("part")
        st.text(f"{name}: {connection}")

    @app.page("/")
    def page(st: t.Any, connection: t.Annotated[str, Depends(connection)]) -> None:
        part("one")
        part(name="two", connection="given")

    assert shown(run()) == ["one: connection", "two: given"]
    assert calls == ["open", "part", "part", "close"]


def test_inject_in_a_coroutine(app: FluxSync) -> None:
    """What the page has awaited is there; it can't await more within a plain call."""

    async def one() -> int:
        return 1

    async def two() -> int:
        return 2

    @app.inject
    def part(st: t.Any, number: t.Annotated[int, Depends(one)]) -> None:
        st.text(number)

    @app.inject
    def other(number: t.Annotated[int, Depends(two)]) -> None: ...

    @app.page("/")
    async def page(one: t.Annotated[int, Depends(one)]) -> None:
        part()
        other()

    test = run()

    assert [element.value for element in test.text] == ["1"]
    assert test.exception[0].message.startswith("app.inject() can't wait for what is async")


def test_dependencies_without_a_hash(app: FluxSync) -> None:
    @dataclasses.dataclass
    class Role:
        name: str

        def __call__(self) -> str:
            calls.append(self.name)
            return self.name

    calls: list[str] = []
    reader = Role("reader")

    @app.page("/")
    def page(
        st: t.Any,
        one: t.Annotated[str, Depends(reader)],
        same: t.Annotated[str, Depends(reader)],
        other: t.Annotated[str, Depends(Role("writer"))],
    ) -> None:
        st.text(f"{one} {same} {other}")

    assert shown(run()) == ["reader reader writer"]
    assert calls == ["reader", "writer"]


def test_breadcrumb_stays_above_what_a_page_returns(app: FluxSync) -> None:
    @app.page("/", page_meta=PageMeta(breadcrumb="Sales"))
    def page() -> PageMeta:
        return PageMeta(description="By region")

    test = run()

    assert [caption.value for caption in test.caption] == ["Sales  \nBy region"]


def test_page_that_yields(app: FluxSync) -> None:
    """What it yields takes effect, and all of it is run."""

    @app.page("/")
    def page(st: t.Any) -> t.Iterator[t.Any]:
        yield PageMeta(breadcrumb=("Sales", "2025"))
        st.text("one")
        yield {"breadcrumb": "Done"}
        st.text("two")

    test = run()

    assert shown(test) == ["one", "two"]
    assert [caption.value for caption in test.caption] == ["Done"]


@pytest.mark.parametrize(
    ("returned", "captions", "errors"),
    [
        pytest.param(PageMeta(breadcrumb="Sales"), ["Sales"], [], id="meta"),
        pytest.param({"breadcrumb": ["Sales"]}, ["Sales"], [], id="dict"),
        pytest.param(
            PageMeta(breadcrumb="Sales", description="By region"),
            ["Sales  \nBy region"],
            [],
            id="description",
        ),
        pytest.param(
            {"crumb": "Sales"},
            [],
            [
                "PageMeta has no field 'crumb': use one of page_title, page_icon, layout, "
                "initial_sidebar_state, breadcrumb, order, description, children."
            ],
            id="unknown field",
        ),
        pytest.param(
            {"order": 1},
            [],
            ["`children` and `order` belong to the page's registration."],
            id="too late",
        ),
        pytest.param(7, [], [], id="something else"),
    ],
)
def test_what_a_page_returns(
    app: FluxSync, returned: t.Any, captions: list[str], errors: list[str]
) -> None:
    @app.page("/")
    def page(st: t.Any) -> t.Any:
        st.text("page")
        return returned

    test = run()

    assert shown(test) == ["page"]
    assert [caption.value for caption in test.caption] == captions
    assert [error.value for error in test.error] == errors
