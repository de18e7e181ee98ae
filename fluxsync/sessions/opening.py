"""Make the store that a setting names."""

from __future__ import annotations

import hashlib
import os
import pathlib
import threading
import typing as t

from ..config.fields import REDIS_SCHEMES
from ..exceptions import SessionError
from ..process.state import base_directory
from .memory import InMemorySessionStore
from .store import DEFAULT_TTL, SessionStore, TextStore, check_store

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings

_SQLITE = "sqlite:///"


def open_session_store(
    url_or_name: str,
    *,
    ttl_seconds: float = DEFAULT_TTL,
    secret: str = "",
    name: str = "",
    state_dir: str = "",
) -> TextStore:
    """Return a store. It connects when it's first used.

    :param url_or_name: ``memory``; ``sqlite``, which is a file in the state directory;
        ``sqlite:///path`` (a fourth slash begins an absolute path); ``redis://``, ``rediss://`` or
        ``unix://`` for Redis; or an SQLAlchemy URL.
    :param ttl_seconds: How long a session is kept that nobody writes to.
    :param secret: Signs ids; the store keeps a key if it's empty.
    :param name: Of the application; applications with different ones share no session.
    :param state_dir: Where ``sqlite``'s file is, as the setting says it.
    :raise SessionError: It's none of these, or a package is missing.
    :raise ConfigError: There can be no state directory.
    """
    scheme, is_url, _ = url_or_name.partition("://")
    if url_or_name == "memory":
        return InMemorySessionStore(default_ttl_seconds=ttl_seconds, secret=secret)
    if url_or_name == "sqlite":
        return _sqlite(_own_file(name, state_dir, "code"), ttl_seconds, secret)
    if not is_url:
        raise SessionError(f"session store {url_or_name!r}: expected memory, sqlite or a URL")
    if scheme in REDIS_SCHEMES:
        from .redis import RedisSessionStore

        prefix = f"fluxsync:{_digest(name)}:" if name else "fluxsync:"
        return RedisSessionStore(url_or_name, ttl_seconds, prefix=prefix, secret=secret)
    if scheme == "sqlite":
        path = url_or_name.removeprefix(_SQLITE)
        if not path or not url_or_name.startswith(_SQLITE) or path == ":memory:":
            raise SessionError(f"session store {url_or_name!r}: expected sqlite:///path, or memory")
        return _sqlite(path, ttl_seconds, secret)
    from .sqlalchemy import SQLAlchemySessionStore

    return SQLAlchemySessionStore(url_or_name, ttl_seconds, namespace=name, secret=secret)


class Sessions:
    """The session store of one application, made when it's first used.

    :param given: The store, if the program has made one.
    :param name: Returns what all processes of the application call it; ``None`` if it has no
        server, and so just one process. Asked at the first use.
    :raise SessionError: What is given is no store.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        given: object,
        name: t.Callable[[], str | None],
    ) -> None:
        if given is not None:
            check_store(given, "session_store", ", or a text as the setting's")
        if isinstance(given, TextStore):
            # Or the API would have another key than pages, which know the settings.
            given.use_secret(settings.session_secret)
        self._settings = settings
        self._store = t.cast("SessionStore | None", given)
        self._name = name
        self._lock = threading.Lock()

    @property
    def store(self) -> SessionStore:
        """The store. Threads may ask at once."""
        with self._lock:
            if self._store is None:
                name = self._name()
                self._store = session_store_for(self._settings, name is not None, name or "")
            return self._store


def session_store_for(settings: FluxSyncSettings, served: bool, name: str = "") -> TextStore:
    """Return the store that an application's settings choose.

    :param served: Whether this process, or another one of the same application, is a server's.
        ``auto`` is a file then, as API and pages are different processes; memory otherwise.
    :param name: The application's target, the same in all its processes.
    :raise SessionError: A package is missing.
    :raise ConfigError: There can be no state directory.
    """
    chosen = settings.session_store
    if chosen == "auto":
        chosen = "sqlite" if served else "memory"
    ttl_seconds, secret = settings.session_ttl_s, settings.session_secret
    if chosen == "sqlite":
        file = _own_file(name, settings.state_dir, settings.source("state_dir"))
        return _sqlite(file, ttl_seconds, secret)
    return open_session_store(chosen, ttl_seconds=ttl_seconds, secret=secret, name=name)


def _sqlite(path: str | os.PathLike[str], ttl_seconds: float, secret: str) -> TextStore:
    from .sqlite import SQLiteSessionStore

    return SQLiteSessionStore(path, ttl_seconds, secret=secret)


def _own_file(name: str, state_dir: str, source: str) -> pathlib.Path:
    """Return the file of one application.

    A file, since directories there are supervisors', which are removed if nobody has their lock.
    """
    base = base_directory(state_dir, source)
    return base / f"sessions-{_digest(name, os.getcwd())}.sqlite3"


def _digest(*texts: str) -> str:
    # Directories may have names that aren't text.
    return hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()[:16]
