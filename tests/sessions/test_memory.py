"""What only this one does; the rest is in test_contract.py."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.exceptions import SessionError
from fluxsync.sessions.memory import InMemorySessionStore


def test_least_recently_used_goes() -> None:
    store = InMemorySessionStore(max_entries=3)
    for name in "abc":
        store.set(name, {})
    store.get("a")
    store.set("b", {})
    store.set("d", {})

    assert [store.get(name) for name in "abcd"] == [{}, {}, None, {}]
    assert len(store) == 3


def test_deadlines_do_not_pile_up() -> None:
    now = 0.0
    store = InMemorySessionStore(clock=lambda: now)
    store.set("kept", {}, ttl_seconds=1e6)
    for n in range(10_000):
        now = n / 1000
        store.set("written often", {}, ttl_seconds=60)
        store.set("short", {}, ttl_seconds=60)
        store.delete("short")

    assert len(store._deadlines) < 200
    assert len(store) == 2
    now = 10_000
    assert len(store) == 1


def test_later_deadline_counts() -> None:
    now = 0.0
    store = InMemorySessionStore(clock=lambda: now)
    store.set("a", {}, ttl_seconds=100)
    store.set("a", {}, ttl_seconds=10)
    store.set("b", {}, ttl_seconds=10)
    store.set("b", {}, ttl_seconds=100)
    now = 50

    assert store.get("a") is None
    assert store.get("b") == {}


@pytest.mark.parametrize("limit", ["max_entries", "max_bytes", "default_ttl_seconds"])
def test_limits_are_positive(limit: str) -> None:
    with pytest.raises(SessionError, match=f"{limit}=0: expected"):
        InMemorySessionStore(**t.cast("t.Any", {limit: 0}))
