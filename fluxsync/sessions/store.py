"""What a store of sessions is, and what all of ours have in common."""

from __future__ import annotations

import abc
import inspect
import logging
import math
import os
import secrets
import threading
import time
import typing as t
import weakref

from ..exceptions import SessionError
from .data import decode, encode
from .ids import stored_key

logger = logging.getLogger("fluxsync.sessions")

#: A day.
DEFAULT_TTL = 86_400.0
#: A hundred years, in seconds. Redis has no longer ones.
_LONGEST = 3.2e9
#: Seconds for which a process believes that the store's key is still the same.
_KEY_AGE = 60.0

_stores: weakref.WeakSet[TextStore] = weakref.WeakSet()


@t.runtime_checkable
class SessionStore(t.Protocol):
    """Keeps the data of sessions. Called by many threads at once."""

    def get(self, session_id: str, /) -> dict[str, t.Any] | None:
        """Return a session's data, which is the caller's own; ``None`` if there's no session."""

    def set(
        self, session_id: str, data: dict[str, t.Any], /, *, ttl_seconds: float | None = None
    ) -> None:
        """Write all of a session's data.

        :param ttl_seconds: Seconds until it's gone; ``None`` is the store's default.
        """

    def delete(self, session_id: str, /) -> None:
        """Remove a session; does nothing if there's none."""


class TextStore(abc.ABC):
    """A :class:`SessionStore` that keeps texts by keys; base of ours.

    Ids are used as :func:`~fluxsync.sessions.ids.stored_key` has them: with or without their
    signature, and never written down. Safe to be used by threads, and to be made before a fork.

    :param default_ttl_seconds: How long a session is kept that nobody writes to.
    :param max_bytes: Largest session, as JSON.
    :param secret: Signs ids; kept within the store if it's empty.
    :raise SessionError: A limit isn't positive; in the methods, the data can't be stored, or the
        store can't be reached.
    """

    def __init__(self, default_ttl_seconds: float, max_bytes: int, secret: str) -> None:
        self._ttl = check_ttl(default_ttl_seconds, "default_ttl_seconds")
        if max_bytes < 1:
            raise SessionError(f"max_bytes={max_bytes!r}: expected at least 1")
        self._max_bytes = max_bytes
        #: Tells the sessions of several applications in one place apart.
        self._namespace = ""
        self._secret = secret.encode()
        self._lock = threading.Lock()
        self._key = b""
        self._key_read = -math.inf
        _stores.add(self)

    def get(self, session_id: str, /) -> dict[str, t.Any] | None:
        """Return a copy of a session's data; ``None`` if there's no session."""
        text = self._read(self._key_of(session_id))
        if text is None:
            return None
        try:
            return decode(text)
        except ValueError as e:
            logger.warning("a session in %s can't be read, and counts as gone: %s", self, e)
            return None

    def set(
        self, session_id: str, data: dict[str, t.Any], /, *, ttl_seconds: float | None = None
    ) -> None:
        """Write all of a session's data.

        :param ttl_seconds: Seconds until it's gone; ``None`` is the default.
        """
        ttl = self._ttl if ttl_seconds is None else check_ttl(ttl_seconds)
        self._write(self._key_of(session_id), encode(data, self._max_bytes), ttl)

    def delete(self, session_id: str, /) -> None:
        """Remove a session; does nothing if there's none."""
        self._remove(self._key_of(session_id))

    def pop(self, session_id: str, /) -> dict[str, t.Any] | None:
        """Remove a session and return its data; of several who call this, one gets it."""
        data = self.get(session_id)
        return data if self._remove(self._key_of(session_id)) else None

    def use_secret(self, secret: str) -> None:
        """Sign ids with this, unless the store was made with another one."""
        self._secret = self._secret or secret.encode()

    def signing_key(self) -> bytes:
        """Return the key with which ids are signed; the same for all who share the store."""
        if self._secret:
            return self._secret
        # Not read for ever: somebody may empty the store below us.
        if time.monotonic() - self._key_read > _KEY_AGE:
            self._key = self._keep_key(secrets.token_urlsafe(32)).encode()
            self._key_read = time.monotonic()
        return self._key

    def _key_of(self, session_id: object) -> str:
        if not isinstance(session_id, str):
            kind = type(session_id).__name__
            raise SessionError(f"the session's id is of type {kind}: expected a text")
        return stored_key(session_id, self._namespace)

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of files and connections. The store can still be used, and opens them again."""

    @abc.abstractmethod
    def _read(self, key: str) -> str | None:
        """Return a text that isn't too old."""

    @abc.abstractmethod
    def _write(self, key: str, text: str, ttl: float) -> None:
        """Keep a text for so many seconds."""

    @abc.abstractmethod
    def _remove(self, key: str) -> bool:
        """Remove a text; tell one of several who try that it was there."""

    @abc.abstractmethod
    def _keep_key(self, proposed: str) -> str:
        """Return the key that the store has; keep this one if it has none. Atomic."""

    def _after_fork(self) -> None:
        """Forget, in a child, what belongs to the parent. Another thread may have had the lock."""
        self._lock = threading.Lock()


def check_store(store: object, name: str, more: str = "") -> None:
    """Refuse what is no store, such as a store's class or a client of Redis.

    :param name: What it's called where it was given.
    :param more: What could be given instead.
    :raise SessionError: It's none.
    """
    kind = type(store).__qualname__
    if isinstance(store, type):
        kind, is_store = f"class {store.__qualname__}", False
    else:
        is_store = isinstance(store, SessionStore)
    if is_store:
        try:
            inspect.signature(t.cast("SessionStore", store).set).bind("", {}, ttl_seconds=None)
        except (TypeError, ValueError):
            is_store = False
    if not is_store:
        raise SessionError(
            f"{name} is of type {kind}: expected an object with get, set and delete{more}"
        )


def check_ttl(seconds: t.Any, name: str = "ttl_seconds") -> float:
    """Return how long a session is to be kept.

    :raise SessionError: It's not a positive number.
    """
    if not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise SessionError(f"{name}={seconds!r}: expected a number over 0, in seconds")
    return min(float(seconds), _LONGEST)


def _after_fork() -> None:
    for store in list(_stores):
        store._after_fork()


os.register_at_fork(after_in_child=_after_fork)
