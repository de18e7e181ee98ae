"""The kinds of stores, each in a place of its own."""

from __future__ import annotations

import abc
import contextlib
import sqlite3
import typing as t
import uuid
from pathlib import Path

import redis
import sqlalchemy

from fluxsync.sessions.memory import InMemorySessionStore
from fluxsync.sessions.redis import RedisSessionStore
from fluxsync.sessions.sqlalchemy import SQLAlchemySessionStore
from fluxsync.sessions.sqlite import SQLiteSessionStore
from fluxsync.sessions.store import TextStore


class Place(abc.ABC):
    """Where stores of one kind keep their sessions."""

    #: Whether several processes can use it.
    is_shared = True

    def __init__(self) -> None:
        self.now = 1000.0
        self._stores: list[TextStore] = []

    def store(self, **options: t.Any) -> TextStore:
        """Return another store in this place, as another process has."""
        store = self._make(**options)
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()

    def advance(self, seconds: float) -> None:
        """Have time go by."""
        self.now += seconds

    def clock(self) -> float:
        return self.now

    #: Python code that makes such a store with the real clock, for another process.
    code = ""

    @abc.abstractmethod
    def _make(self, **options: t.Any) -> TextStore: ...

    @abc.abstractmethod
    def dump(self) -> str:
        """Return all that is kept, as somebody would see it who reads it."""


class Memory(Place):
    is_shared = False

    def _make(self, **options: t.Any) -> TextStore:
        return InMemorySessionStore(clock=self.clock, **options)

    def dump(self) -> str:
        return repr([vars(store) for store in self._stores])


class SQLite(Place):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "sessions.sqlite3"
        self.code = f"from fluxsync.sessions.opening import *; s = open_session_store({self.url!r})"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def _make(self, **options: t.Any) -> TextStore:
        return SQLiteSessionStore(self.path, clock=self.clock, **options)

    def dump(self) -> str:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return "\n".join(connection.iterdump())


class Redis(Place):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.prefix = f"test-{uuid.uuid4().hex}:"
        self.code = (
            "from fluxsync.sessions.redis import RedisSessionStore as S;"
            f" s = S({url!r}, prefix={self.prefix!r})"
        )

    def _make(self, **options: t.Any) -> TextStore:
        return RedisSessionStore(self.url, prefix=self.prefix, **options)

    def advance(self, seconds: float) -> None:
        """Have Redis believe that its keys are older."""
        with redis.Redis.from_url(self.url) as client:
            for key in client.keys(f"{self.prefix}*"):
                left = client.pttl(key)
                if left > 0:
                    client.pexpire(key, max(0, left - int(seconds * 1000)))

    def dump(self) -> str:
        with redis.Redis.from_url(self.url, decode_responses=True) as client:
            return repr({key: client.get(key) for key in client.keys(f"{self.prefix}*")})


class Database(Place):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.table = f"test_{uuid.uuid4().hex}"
        self.code = (
            "from fluxsync.sessions.sqlalchemy import SQLAlchemySessionStore as S;"
            f" s = S({url!r}, table={self.table!r})"
        )

    def _make(self, **options: t.Any) -> TextStore:
        return SQLAlchemySessionStore(self.url, table=self.table, clock=self.clock, **options)

    def dump(self) -> str:
        engine = sqlalchemy.create_engine(self.url)
        with engine.connect() as connection:
            found = [
                connection.execute(sqlalchemy.text(f"SELECT * FROM {name}")).all()
                for name in (self.table, f"{self.table}_key")
            ]
        engine.dispose()
        return repr(found)
