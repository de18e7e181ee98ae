"""Connections to the database: one pool per process, one transaction per piece of work."""

from __future__ import annotations

import functools
import os
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import Session

from . import config
from .models import Base


def engine() -> sa.Engine:
    """Return this process's engine.

    A child must not use its parent's connections. It makes an engine of its own, and never
    closes the inherited one, which would say goodbye to the server in the parent's name.
    """
    return _engine(os.getpid(), config.database_url())


@functools.cache
def _engine(pid: int, url: str) -> sa.Engine:
    try:
        made = sa.create_engine(url, pool_pre_ping=True)
    except (sa.exc.ArgumentError, ModuleNotFoundError) as e:
        raise config.ConfigError(f"{config.DATABASE_VARIABLE} is no database's URL: {e}") from e
    if made.dialect.name == "sqlite":
        sa.event.listen(made, "connect", _on_sqlite_connect)
        sa.event.listen(made, "begin", _on_sqlite_begin)
    return made


def _on_sqlite_connect(connection: t.Any, record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy says BEGIN, and not the driver
    for pragma in ("journal_mode = WAL", "foreign_keys = ON", "busy_timeout = 15000"):
        connection.execute(f"PRAGMA {pragma}")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    # A transaction that reads, and then writes, fails at once if another has written meanwhile,
    # however long it would wait for a lock. So those that will write take the lock first.
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def session(*, writes: bool = False) -> Iterator[Session]:
    """Open a transaction; it's kept if the block ends, and undone if it raises.

    Objects stay usable after it, except for what wasn't loaded. Don't wait for a user inside:
    on SQLite, nobody else writes while a session with ``writes`` is open.
    """
    with Session(engine(), expire_on_commit=False) as opened, opened.begin():
        if writes:
            opened.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
        yield opened


def create_schema() -> None:
    """Make the tables that are missing. To change existing ones, use Alembic."""
    url = engine().url
    if url.get_backend_name() == "sqlite" and url.database:
        # Passwords' hashes are in it. SQLite would leave the permissions to the umask.
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT, 0o600))
    Base.metadata.create_all(engine())
