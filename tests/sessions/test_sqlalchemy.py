"""What only this one does; the rest is in test_contract.py."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import sqlalchemy

from fluxsync.exceptions import SessionError
from fluxsync.sessions.sqlalchemy import SQLAlchemySessionStore


def test_engine_of_ones_own(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/shop.sqlite3")
    SQLAlchemySessionStore(engine).set("a", {"b": 1})

    assert SQLAlchemySessionStore(engine).get("a") == {"b": 1}
    assert SQLAlchemySessionStore(engine, namespace="another").get("a") is None
    assert SQLAlchemySessionStore(engine, table="another").get("a") is None
    engine.dispose()


def test_connections_that_the_server_has_ended(postgres_url: str) -> None:
    """A restart of the database costs nobody an error."""
    store = SQLAlchemySessionStore(postgres_url, table=f"t{uuid.uuid4().hex}")
    store.set("a", {})
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.connect() as connection:
        connection.execute(
            sqlalchemy.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid != pg_backend_pid() AND state IS NOT NULL"
            )
        )
    engine.dispose()

    assert store.get("a") == {}
    store.close()


def test_server_that_is_not_there(tmp_path: Path) -> None:
    store = SQLAlchemySessionStore(f"postgresql+psycopg://ada:s3cret@/db?host={tmp_path}")
    with pytest.raises(SessionError, match=r"session store postgresql\+psycopg://ada:\*\*\*@") as e:
        store.get("a")
    assert "s3cret" not in str(e.value)
    assert "\n" not in str(e.value)


def test_table_that_is_something_else(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/shop.sqlite3")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE orders (id TEXT)"))
    store = SQLAlchemySessionStore(engine, table="orders")
    with pytest.raises(SessionError, match=r"no such column|no column named") as e:
        store.set("a", {"b": "data of somebody"})
    assert "data of somebody" not in str(e.value)
    engine.dispose()


@pytest.mark.parametrize("url", ["nonsense://ada:s3cret@host/db", "no url", "mysql+nothing://host"])
def test_url_that_is_none(url: str) -> None:
    with pytest.raises(SessionError, match="session store") as e:
        SQLAlchemySessionStore(url)
    assert "s3cret" not in str(e.value)
