from __future__ import annotations

import re
import traceback
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis

from fluxsync import ConfigError, FluxSync, FluxSyncSettings
from fluxsync.exceptions import SessionError
from fluxsync.sessions.memory import InMemorySessionStore
from fluxsync.sessions.opening import Sessions, open_session_store, session_store_for
from fluxsync.sessions.redis import RedisSessionStore
from fluxsync.sessions.sqlalchemy import SQLAlchemySessionStore
from fluxsync.sessions.sqlite import SQLiteSessionStore


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory", InMemorySessionStore),
        ("sqlite", SQLiteSessionStore),
        ("sqlite:///sessions.db", SQLiteSessionStore),
        ("redis://:password@localhost/0", RedisSessionStore),
        ("rediss://localhost", RedisSessionStore),
        ("postgresql+psycopg://localhost/db", SQLAlchemySessionStore),
        ("sqlite+pysqlite:///x.db", SQLAlchemySessionStore),
    ],
)
def test_kinds(url: str, kind: type, tmp_path: Path) -> None:
    store = open_session_store(url, state_dir=str(tmp_path))

    assert type(store) is kind
    store.close()
    assert not list(tmp_path.iterdir())  # nothing has been used yet


@pytest.mark.parametrize("url", ["auto", "", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_others_are_refused(url: str) -> None:
    with pytest.raises(SessionError, match="expected"):
        open_session_store(url)


def test_relative_and_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert str(open_session_store("sqlite:///a.db")) == str(tmp_path / "a.db")
    assert str(open_session_store("sqlite:////srv/a.db")) == "/srv/a.db"


def test_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It's found again after a restart, and another one for another application."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    settings = FluxSyncSettings(state_dir=str(state))
    first = session_store_for(settings, served=True, name="app:app")
    first.set("a", {"b": 1})
    first.close()

    again = session_store_for(settings, served=True, name="app:app")
    other = session_store_for(settings, served=True, name="other:app")
    assert again.get("a") == {"b": 1}
    assert other.get("a") is None
    again.close()
    other.close()
    assert state.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in state.iterdir()} == {0o600}


def test_own_file_where_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o777)
    settings = FluxSyncSettings(state_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=r"from code: .* nobody else may write"):
        session_store_for(settings, served=True)
    with pytest.raises(ConfigError, match=r"from code: .* nobody else may write"):
        open_session_store("sqlite", state_dir=str(tmp_path))
    monkeypatch.setenv("FLUXSYNC_STATE_DIR", str(tmp_path))
    with pytest.raises(ConfigError, match=r"from environment: .* nobody else may write"):
        session_store_for(FluxSyncSettings(), served=True)


def test_nobody_needs_a_file_without_a_server(tmp_path: Path) -> None:
    store = session_store_for(FluxSyncSettings(state_dir=str(tmp_path / "none")), served=False)

    assert isinstance(store, InMemorySessionStore)
    assert not (tmp_path / "none").exists()


def test_settings_of_the_store() -> None:
    settings = FluxSyncSettings(
        session_store="memory", session_ttl_s=60, session_secret="0123456789abcdef"
    )
    store = session_store_for(settings, served=True)

    assert store.signing_key() == b"0123456789abcdef"
    assert store._ttl == 60


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"session_store": "file"}, "session_store='file' from code: expected auto, memory"),
        ({"session_store": "sqlite://"}, "expected auto, memory"),
        ({"session_secret": "s3cret"}, r"session_secret='\*\*\*' from code: expected at least 16"),
        ({"session_ttl_s": 0}, "a number over 0"),
        ({"url_session_query_param": "a b"}, "letters, digits"),
        ({"url_session_query_param": "embed"}, "Streamlit's own"),
    ],
)
def test_settings_that_are_refused(values: dict[str, t.Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as e:
        FluxSyncSettings(**values)
    assert "s3cret" not in str(e.value)


def test_settings_are_shown_without_secrets() -> None:
    settings = FluxSyncSettings(
        session_secret="0123456789abcdef",
        session_store="postgresql+psycopg://ada:s3cret@host/db?sslmode=s3cret",
    )

    assert settings.shown("session_secret") == "***"
    assert settings.shown("session_store") == "postgresql+psycopg://***@host/db?sslmode=***"
    assert settings.shown("title") == "FluxSync"


def test_application_makes_its_store_when_it_is_used(tmp_path: Path) -> None:
    asked: list[str] = []

    def name() -> str:
        asked.append("name")
        return "app:app"

    settings = FluxSyncSettings(state_dir=str(tmp_path))
    sessions = Sessions(settings, None, name)
    assert not asked
    with ThreadPoolExecutor(4) as pool:
        stores = {id(store) for store in pool.map(lambda _: sessions.store, range(8))}

    assert len(stores) == len(asked) == 1
    assert isinstance(sessions.store, SQLiteSessionStore)
    assert isinstance(Sessions(settings, None, lambda: None).store, InMemorySessionStore)


def test_application_takes_a_store() -> None:
    """Of its own, or named as in the setting."""
    own = InMemorySessionStore()
    assert FluxSync(session_store=own).session_store is own
    assert isinstance(FluxSync().session_store, InMemorySessionStore)
    app = FluxSync(session_store="redis://:s3cret@localhost")
    assert isinstance(app.session_store, RedisSessionStore)
    assert app.settings.source("session_store") == "code"
    signed = FluxSync(settings=FluxSyncSettings(session_secret="s" * 16), session_store=own)
    assert signed.session_store is own
    assert own.signing_key() == b"s" * 16
    with pytest.raises(ConfigError, match="session_store='file' from code"):
        FluxSync(session_store="file")
    with pytest.raises(SessionError, match="of type dict: expected an object with get"):
        FluxSync(session_store=t.cast("t.Any", {}))


def test_working_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        paths.add(str(open_session_store("sqlite", name="app:app", state_dir=str(tmp_path))))
    assert len(paths) == 2


@pytest.mark.parametrize("given", [InMemorySessionStore, redis.Redis(), 5])
def test_what_is_no_store(given: t.Any) -> None:
    """A client of Redis has get, set and delete, too; a store's class has them as well."""
    with pytest.raises(SessionError, match=r"^session_store is of type .*: expected an object"):
        FluxSync(session_store=given)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3/cret@host:1/0", "redis://***@host:1/0"),
        ("redis://:s3 cret@host", "redis://***@host"),
        ("redis://:s3#cret@host", "redis://***@host"),
        ("redis://:s3?cret@host", "redis://***@host"),
        ("postgresql+psycopg://u:s3@cret:s3/cret@host/db", "postgresql+psycopg://***@host/db"),
        ("postgresql+psycopg://ada@host/db", "postgresql+psycopg://ada@host/db"),
    ],
)
def test_password_that_should_have_been_encoded(url: str, shown: str) -> None:
    """Neither what shows the setting nor an error has a part of it."""
    settings = FluxSyncSettings(session_store=url, session_secret="s3cret" * 3)

    assert settings.shown("session_store") == shown
    assert not re.search("s3|cret[^_=]", repr(settings) + str(settings))
    try:
        said = str(open_session_store(url))
    except SessionError as e:
        said = "".join(traceback.format_exception(e)[-1:] if e.__suppress_context__ else ["s3"])
    assert not re.search("s3|cret", said)
    assert "\n" not in said.strip()


def test_password_in_a_list_of_stores_is_not_shown() -> None:
    shown = r"^session_store=\['redis://\*\*\*@host'\] from code: expected a text$"
    with pytest.raises(ConfigError, match=shown):
        FluxSyncSettings(session_store=["redis://:s3cret@host"])
