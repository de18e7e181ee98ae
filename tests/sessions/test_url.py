"""The helpers, in pages that a real Streamlit runs."""

from __future__ import annotations

import datetime
import typing as t

import pydantic
import pytest

from fluxsync.exceptions import SessionError
from fluxsync.sessions import context
from fluxsync.sessions.context import SessionContext, using
from fluxsync.sessions.ids import Signer, random_part, stored_key
from fluxsync.sessions.memory import InMemorySessionStore
from fluxsync.sessions.store import SessionStore
from fluxsync.sessions.url import (
    end_url_session,
    ensure_url_session,
    hydrate_url_session,
    hydrate_url_session_typed,
    new_session_id,
    persist_url_session,
    rotate_url_session,
)
from tests.support.pages import page_test

PARAM = "fluxsync_sid"


class Foreign:
    """A store as somebody would write it for FluxLit."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, t.Any]] = {}
        self.ttls: list[float | None] = []

    def get(self, session_id: str) -> dict[str, t.Any] | None:
        found = self.sessions.get(session_id)
        return None if found is None else dict(found)

    def set(
        self, session_id: str, data: dict[str, t.Any], *, ttl_seconds: float | None = None
    ) -> None:
        self.sessions[session_id] = dict(data)
        self.ttls.append(ttl_seconds)

    def delete(self, session_id: str) -> None:
        self.sessions.pop(session_id, None)


@pytest.fixture(params=[InMemorySessionStore, Foreign])
def store(request: pytest.FixtureRequest) -> SessionStore:
    """One of ours, and one of somebody else."""
    store = request.param()
    assert isinstance(store, SessionStore)
    return store


#: For what doesn't reach the store.
one_store = pytest.mark.parametrize("store", [InMemorySessionStore], indirect=True)


def script(work, results):  # type: ignore[no-untyped-def] # it's run without our imports
    import streamlit as st

    results.append(work(st))


class Tab:
    """A browser's tab: its URL, and Streamlit's session behind it."""

    def __init__(self, session_id: str | None = None) -> None:
        self.results: list[t.Any] = []
        self.test = page_test(script, work=None, results=self.results)
        if session_id is not None:
            self.test.query_params[PARAM] = session_id

    def run(self, work: t.Callable[[t.Any], t.Any]) -> t.Any:
        """Run the page's code and return what it returns."""
        assert self.test.kwargs
        self.test.kwargs["work"] = work
        self.test.run()
        if self.test.exception:
            raise AssertionError(self.test.exception[0].message)
        return self.results[-1]

    @property
    def sid(self) -> str | None:
        found = self.test.query_params.get(PARAM)
        return found[-1] if isinstance(found, list) else found


def read(store: SessionStore, session_id: str) -> t.Any:
    """Return a session's data as API code would."""
    return store.get(
        session_id if isinstance(store, InMemorySessionStore) else stored_key(session_id)
    )


def test_session_begins_and_is_found_again(store: SessionStore) -> None:
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"visits": 1}))
    assert tab.sid == sid
    assert read(store, sid) == {"visits": 1}

    assert tab.run(lambda st: ensure_url_session(st, store, initial={"visits": 5})) == sid
    assert read(store, sid) == {"visits": 1}

    def page(st: t.Any) -> t.Any:
        assert hydrate_url_session(st, store) == sid
        return st.session_state["visits"]

    assert Tab(sid).run(page) == 1


def test_initial_adds_what_is_missing(store: SessionStore) -> None:
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"a": 1}))
    tab.run(lambda st: ensure_url_session(st, store, initial={"a": 2, "b": 3}))

    assert read(store, sid) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda: "chosen-by-somebody", id="made up"),
        pytest.param(random_part, id="without signature"),
        pytest.param(lambda: Signer(b"another server's").sign(random_part()), id="another key"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "x" * 100_000, id="huge"),
        pytest.param(lambda: "é\0" * 43, id="not ASCII"),
    ],
)
def test_fixation(
    store: SessionStore, forge: t.Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id of somebody else's making is replaced, and no store is asked for it."""
    asked: list[str] = []
    monkeypatch.setattr(store, "get", asked.append)
    forged = forge()
    tab = Tab(forged)
    assert tab.run(lambda st: hydrate_url_session(st, store)) is None
    sid = tab.run(lambda st: ensure_url_session(st, store))

    assert not asked
    assert tab.sid == sid != forged


def test_signed_id_that_the_store_does_not_know(store: SessionStore) -> None:
    """Somebody's session that has ended can't be begun again by its old URL."""
    old = new_session_id(store)
    tab = Tab(old)
    assert tab.run(lambda st: hydrate_url_session(st, store)) is None
    sid = tab.run(lambda st: ensure_url_session(st, store))

    assert tab.sid == sid != old
    assert read(store, old) is None


def test_id_that_the_api_makes(store: SessionStore) -> None:
    """As for a link to a page. Without a store, pages don't accept it."""
    sid = new_session_id(store)
    key = sid if isinstance(store, InMemorySessionStore) else stored_key(sid)
    store.set(key, {"a": 1})

    assert Tab(sid).run(lambda st: ensure_url_session(st, store)) == sid
    assert "." not in new_session_id()
    assert "." not in next(iter(store.sessions)) if isinstance(store, Foreign) else True


def test_rotation(store: SessionStore) -> None:
    """Who knows the old URL is out; the data and the page go on."""
    tab = Tab()
    old = tab.run(lambda st: ensure_url_session(st, store, initial={"cart": ["tea"]}))
    new = tab.run(lambda st: rotate_url_session(st, store))

    assert tab.sid == new != old
    assert read(store, new) == {"cart": ["tea"]}
    assert read(store, old) is None
    assert Tab(old).run(lambda st: hydrate_url_session(st, store)) is None
    # A rerun that the browser sent before it knew of the new id.
    tab.test.query_params[PARAM] = old
    assert tab.run(lambda st: ensure_url_session(st, store)) == new
    assert tab.sid == new


def test_rotation_without_a_session(store: SessionStore) -> None:
    tab = Tab("forged")
    sid = tab.run(lambda st: rotate_url_session(st, store))

    assert tab.sid == sid != "forged"
    assert read(store, sid) == {}


def test_navigation_drops_the_query(store: SessionStore) -> None:
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store))
    tab.test.query_params.clear()

    assert tab.run(lambda st: hydrate_url_session(st, store)) == sid
    assert tab.run(lambda st: ensure_url_session(st, store)) == sid
    assert tab.sid == sid


def test_end(store: SessionStore) -> None:
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"a": 1}))
    tab.run(lambda st: end_url_session(st, store))

    assert tab.sid is None
    assert read(store, sid) is None
    assert tab.run(lambda st: hydrate_url_session(st, store)) is None
    tab.run(lambda st: end_url_session(st, store))


def test_persist(store: SessionStore) -> None:
    """What is named is stored, what else the session has stays, and the rest isn't stored."""
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"theme": "dark"}))

    def page(st: t.Any) -> str:
        st.session_state.update(cart=["tea"], client=object(), access_token="s3cret")
        st.session_state["day"] = datetime.date(2026, 2, 3)
        return persist_url_session(st, store, keys=["cart", "day", "missing"])

    assert tab.run(page) == sid
    expected = {"theme": "dark", "cart": ["tea"], "day": datetime.date(2026, 2, 3)}
    assert read(store, sid) == expected

    def another(st: t.Any) -> t.Any:
        hydrate_url_session(st, store)
        return {key: st.session_state[key] for key in expected}

    assert Tab(sid).run(another) == expected


def test_persist_begins_a_session(store: SessionStore) -> None:
    tab = Tab("forged")

    def page(st: t.Any) -> str:
        st.session_state.a = 1
        return persist_url_session(st, store, keys=("a",), ttl_seconds=60)

    sid = tab.run(page)
    assert tab.sid == sid != "forged"
    assert read(store, sid) == {"a": 1}
    if isinstance(store, Foreign):
        assert store.ttls == [60]


@one_store
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("access_token", "s3cret", r"'access_token'='\*\*\*': expected no", id="token"),
        pytest.param("user", {"password": "s3cret"}, r"'user'\['password'\]", id="within"),
        pytest.param("a", "Bearer s3cret", "looks like a token", id="value"),
        pytest.param("df", object(), r"session\['df'\] is of type builtins.object", id="type"),
        pytest.param("a", "s3cret" * 50_000, "bytes: expected 262144 at most", id="size"),
        pytest.param("_fluxsync_a", 1, "expected a name of yours", id="ours"),
    ],
)
def test_persist_refuses(store: SessionStore, name: str, value: t.Any, expected: str) -> None:
    """One line that says which, without the value; nothing is stored."""
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"a": 0}))

    def page(st: t.Any) -> None:
        st.session_state[name] = value
        st.session_state["other"] = 1
        with pytest.raises(SessionError, match=expected) as e:
            persist_url_session(st, store, keys=["other", name])
        assert "s3cret" not in str(e.value)
        assert "\n" not in str(e.value)

    tab.run(page)
    assert read(store, sid) == {"a": 0}


@one_store
def test_initial_refuses_credentials(store: SessionStore) -> None:
    def page(st: t.Any) -> None:
        with pytest.raises(SessionError, match="expected no credentials"):
            ensure_url_session(st, store, initial={"api_key": "s3cret"})

    tab = Tab()
    tab.run(page)
    assert tab.sid is None


@one_store
@pytest.mark.parametrize(
    "call",
    [
        lambda st, store: persist_url_session(st, store, keys="cart"),
        lambda st, store: persist_url_session(st, store, keys=[], ttl_seconds=0),
        lambda st, store: ensure_url_session(st, store, ttl_seconds=-1),
        lambda st, store: rotate_url_session(st, store, ttl_seconds=0),
        lambda st, store: ensure_url_session(st, t.cast("t.Any", None)),
    ],
)
def test_wrong_arguments(store: SessionStore, call: t.Callable[..., t.Any]) -> None:
    def page(st: t.Any) -> None:
        with pytest.raises(SessionError, match="expected"):
            call(st, store)

    tab = Tab()
    tab.run(page)
    assert tab.sid is None


@one_store
@pytest.mark.parametrize("merge", [True, False])
def test_hydrate_merges(store: SessionStore, merge: bool) -> None:
    tab = Tab()
    stored = {"a": "stored", "b": "stored"}
    tab.run(lambda st: ensure_url_session(st, store, initial=stored))

    def page(st: t.Any) -> t.Any:
        st.session_state.a = "own"
        hydrate_url_session(st, store, merge=merge)
        return st.session_state.a, st.session_state.b

    assert tab.run(page) == ("own" if merge else "stored", "stored")


def test_hydrate_leaves_internal_names_alone(store: SessionStore) -> None:
    """API code may have stored whatever a client sent."""
    sid = new_session_id(store)
    key = sid if isinstance(store, InMemorySessionStore) else stored_key(sid)
    store.set(key, {f"_fluxsync_session_id_{PARAM}": "x", "$$ID-button": 1, "a": 1})

    def page(st: t.Any) -> t.Any:
        hydrate_url_session(st, store)
        return dict(st.session_state)

    assert Tab(sid).run(page) == {"a": 1}


class Cart(pydantic.BaseModel):
    count: int
    note: str = "none"


def test_hydrate_typed(store: SessionStore) -> None:
    tab = Tab()
    initial = {"count": "3", "theme": "dark"}
    sid = tab.run(lambda st: ensure_url_session(st, store, initial=initial))

    def page(st: t.Any) -> t.Any:
        result = hydrate_url_session_typed(st, store, Cart)
        assert "note" not in st.session_state
        return result, st.session_state["count"], st.session_state["theme"]

    assert tab.run(page) == ((sid, Cart(count=3)), 3, "dark")


def test_hydrate_typed_changes_nothing_if_invalid(store: SessionStore) -> None:
    tab = Tab()
    sid = tab.run(lambda st: ensure_url_session(st, store, initial={"count": "many", "a": 1}))

    def page(st: t.Any) -> t.Any:
        with pytest.raises(pydantic.ValidationError):
            hydrate_url_session_typed(st, store, Cart, strict=True)
        result = hydrate_url_session_typed(st, store, Cart, merge=False)
        return result, "count" in st.session_state or "a" in st.session_state

    assert tab.run(page) == ((sid, None), False)
    assert Tab("forged").run(lambda st: hydrate_url_session_typed(st, store, Cart)) == (None, None)


def test_application_of_the_page_names_the_parameter(store: SessionStore) -> None:
    """And its key; also in fragments and callbacks, which run without the page."""
    tab = Tab()
    with using(SessionContext("shop", "the application's")):
        sid = tab.run(lambda st: ensure_url_session(st, store))
        assert tab.sid is None
        assert sid in tab.test.query_params["shop"]
        assert new_session_id(store).count(".") == 1
    assert Signer(b"the application's").is_signed(sid)
    assert context.current().param == "shop"
    assert tab.run(lambda st: hydrate_url_session(st, store)) == sid

    with using(SessionContext("other")):
        found = tab.run(lambda st: hydrate_url_session(st, store, param="shop", secret="wrong"))
        assert found is None


@one_store
def test_disabled(store: SessionStore) -> None:
    def page(st: t.Any) -> t.Any:
        st.session_state.a = 1
        end_url_session(st, store)
        return (
            ensure_url_session(st, store),
            persist_url_session(st, store, keys=["a"]),
            rotate_url_session(st, store),
            hydrate_url_session(st, store),
            hydrate_url_session_typed(st, store, Cart),
        )

    tab = Tab("forged")
    with using(SessionContext(enabled=False)):
        assert tab.run(page) == ("", "", "", None, (None, None))
    assert tab.sid == "forged"


def test_store_that_fails(tmp_path: t.Any) -> None:
    """It's an error of this page, not another session."""
    from fluxsync.sessions.sqlite import SQLiteSessionStore

    store = SQLiteSessionStore(tmp_path)

    def page(st: t.Any) -> None:
        with pytest.raises(SessionError, match="session store"):
            ensure_url_session(st, store)

    tab = Tab("forged")
    tab.run(page)
    assert tab.sid == "forged"


@one_store
@pytest.mark.parametrize("wrong", [None, "memory", InMemorySessionStore, {}])
def test_what_is_no_store(store: SessionStore, wrong: t.Any) -> None:
    with pytest.raises(SessionError, match=r"^store is of type .*: expected an object with get"):
        ensure_url_session(None, wrong)
    if wrong is not None:
        with pytest.raises(SessionError, match=r"^store is of type "):
            new_session_id(wrong)


@one_store
def test_arguments_of_other_types(store: InMemorySessionStore) -> None:
    wrong: t.Any
    for wrong in (None, b"ab", 5):
        with pytest.raises(SessionError, match=r"^keys=.*: expected a list of names$"):
            persist_url_session(None, store, keys=wrong)
        with pytest.raises(
            SessionError, match=r"^the session's id is of type \w+: expected a text$"
        ):
            store.get(wrong)
        with pytest.raises(SessionError, match=r"^session is of type \w+: expected a dict$"):
            store.set("a", wrong)
    for wrong in (["a"], "ab", 5):
        with pytest.raises(SessionError, match=r"^initial=.*: expected a dict$"):
            ensure_url_session(None, store, initial=wrong)
