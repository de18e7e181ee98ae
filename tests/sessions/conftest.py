"""Fixtures for tests of sessions."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from fluxsync.sessions import context

from .places import Database, Memory, Place, Redis, SQLite


@pytest.fixture(params=["memory", "sqlite", "redis", "sqlalchemy-sqlite", "sqlalchemy-postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> t.Iterator[Place]:
    """A place for sessions, of each kind in turn."""
    place: Place
    if request.param == "memory":
        place = Memory()
    elif request.param == "sqlite":
        place = SQLite(tmp_path)
    elif request.param == "redis":
        place = Redis(request.getfixturevalue("redis_url"))
    elif request.param == "sqlalchemy-sqlite":
        place = Database(f"sqlite:///{tmp_path}/sqlalchemy.sqlite3")
    else:
        place = Database(request.getfixturevalue("postgres_url"))
    yield place
    place.close()


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no page have run before."""
    monkeypatch.setattr(context, "_latest", context.SessionContext())
