from __future__ import annotations

import threading
import time
import typing as t

import pytest

from fluxsync.auth import (
    InMemoryOIDCBFFTokenStore,
    OIDCBFFTokenStore,
    SessionOIDCBFFTokenStore,
)
from fluxsync.sessions.memory import InMemorySessionStore

NOW = 1_700_000_000.0


@pytest.fixture(params=["memory", "sessions"])
def store(request: pytest.FixtureRequest) -> OIDCBFFTokenStore:
    if request.param == "memory":
        return InMemoryOIDCBFFTokenStore(otc_ttl_seconds=60)
    sessions = InMemorySessionStore()
    return SessionOIDCBFFTokenStore(lambda: sessions, otc_ttl_seconds=60)


def test_token_comes_back_once(store: OIDCBFFTokenStore) -> None:
    store.save_exchange_token("code", "token", now=NOW)

    assert store.pop_exchange_token("other", now=NOW) is None
    assert store.pop_exchange_token("code", now=NOW + 59) == "token"
    assert store.pop_exchange_token("code", now=NOW + 59) is None


@pytest.mark.parametrize("later", [60, 1e6, -60])
def test_old_token(store: OIDCBFFTokenStore, later: float) -> None:
    """Also by a clock that has been set back since."""
    store.save_exchange_token("code", "token", now=NOW)

    assert store.pop_exchange_token("code", now=NOW + later) is None


def test_limit() -> None:
    store = InMemoryOIDCBFFTokenStore(max_entries=2)
    for name in "abc":
        store.save_exchange_token(name, name, now=NOW)

    assert [store.pop_exchange_token(name, now=NOW) for name in "abc"] == [None, "b", "c"]


def test_old_ones_make_room() -> None:
    store = InMemoryOIDCBFFTokenStore(otc_ttl_seconds=60)
    store.save_exchange_token("old", "x", now=NOW)

    store.save_exchange_token("new", "y", now=NOW + 100)

    assert store.pop_exchange_token("old", now=NOW) is None
    assert store.pop_exchange_token("new", now=NOW + 100) == "y"


def test_one_of_many_gets_it() -> None:
    store = InMemoryOIDCBFFTokenStore()
    store.save_exchange_token("code", "token", now=NOW)
    barrier = threading.Barrier(8)
    found: list[str | None] = []

    def redeem() -> None:
        barrier.wait(10)
        found.append(store.pop_exchange_token("code", now=NOW))

    threads = [threading.Thread(target=redeem) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sorted(map(str, found)) == ["None"] * 7 + ["token"]


@pytest.mark.parametrize("data", [None, [], {}, {"token": 1, "saved": NOW}, {"token": "x"}])
def test_what_others_have_written(data: t.Any) -> None:
    class Sessions:
        def get(self, session_id: str, /) -> t.Any:
            return data

        def set(self, *args: t.Any, **kwargs: t.Any) -> None:
            raise NotImplementedError

        def delete(self, session_id: str, /) -> None:
            pass

    store = SessionOIDCBFFTokenStore(Sessions)

    assert store.pop_exchange_token("code", now=NOW) is None


def test_code_is_not_in_the_session_store() -> None:
    seen: list[str] = []

    class Sessions(InMemorySessionStore):
        def set(self, session_id: str, data: t.Any, /, **kwargs: t.Any) -> None:
            seen.append(f"{session_id} {data}")

    sessions = Sessions()
    SessionOIDCBFFTokenStore(lambda: sessions).save_exchange_token("the-code", "x", now=time.time())

    assert len(seen) == 1
    assert "the-code" not in seen[0]
