"""Where a login waits for the page that the browser has been sent to with a one-time code."""

from __future__ import annotations

import collections
import hashlib
import threading
import time
import typing as t

import itsdangerous

from .pending import serializer

#: Seconds that a page may take to redeem a code.
TTL = 120.0


class OIDCBFFTokenStore(t.Protocol):
    """Keeps a token under a one-time code, for a short while.

    Several threads call it at the same time. With several gateway workers it must be one that
    they share: the page's request may reach another one than the browser's.
    """

    def save_exchange_token(self, auth_code: str, access_token: str, *, now: float) -> None:
        """Keep a token.

        :param access_token: A text that is to come back as it is. It says who has logged in, and
            is no token yet: who reads the store can't use it.
        :param now: Seconds since the epoch.
        """

    def pop_exchange_token(self, auth_code: str, *, now: float) -> str | None:
        """Return a token and forget it; ``None`` if it isn't there, or is too old."""


class Sessions(t.Protocol):
    """What is used of a :class:`~fluxsync.SessionStore`."""

    def get(self, session_id: str, /) -> t.Any:
        """Return what is kept, or ``None``."""

    def set(
        self, session_id: str, data: dict[str, t.Any], /, *, ttl_seconds: float | None = None
    ) -> None:
        """Keep something."""

    def delete(self, session_id: str, /) -> None:
        """Forget it."""


class InMemoryOIDCBFFTokenStore:
    """Keeps tokens in this process, and so only for one worker. Thread-safe.

    :param otc_ttl_seconds: For how long.
    :param max_entries: Most tokens; the oldest makes place for a new one.
    """

    def __init__(self, otc_ttl_seconds: float = TTL, max_entries: int = 10_000) -> None:
        self._ttl = otc_ttl_seconds
        self._most = max_entries
        self._lock = threading.Lock()
        self._tokens: collections.OrderedDict[str, tuple[str, float]] = collections.OrderedDict()

    def save_exchange_token(self, auth_code: str, access_token: str, *, now: float) -> None:
        """Keep a token."""
        with self._lock:
            while self._tokens:
                oldest = next(iter(self._tokens))
                if len(self._tokens) < self._most and _is_fresh(
                    self._tokens[oldest][1], now, self._ttl
                ):
                    break
                del self._tokens[oldest]
            self._tokens[_key(auth_code)] = (access_token, now)

    def pop_exchange_token(self, auth_code: str, *, now: float) -> str | None:
        """Return a token and forget it."""
        with self._lock:
            token, saved = self._tokens.pop(_key(auth_code), (None, now))
        return token if _is_fresh(saved, now, self._ttl) else None


class SessionOIDCBFFTokenStore:
    """Keeps tokens in a session store, which several workers may share.

    fluxsync's own stores read and delete in one step. Others may give a token twice, to two
    requests at the same instant: both are of the browser that has logged in, or they get nothing.

    :param sessions: Returns the store.
    :param otc_ttl_seconds: For how long.
    """

    def __init__(self, sessions: t.Callable[[], Sessions], otc_ttl_seconds: float = TTL) -> None:
        self._sessions = sessions
        self._ttl = otc_ttl_seconds

    def save_exchange_token(self, auth_code: str, access_token: str, *, now: float) -> None:
        """Keep a token."""
        data = {"token": access_token, "saved": now}
        self._sessions().set(_key(auth_code), data, ttl_seconds=self._ttl)

    def pop_exchange_token(self, auth_code: str, *, now: float) -> str | None:
        """Return a token and forget it."""
        sessions, key = self._sessions(), _key(auth_code)
        pop = getattr(sessions, "pop", None)
        if pop is not None:
            data = pop(key)
        else:
            data = sessions.get(key)
            sessions.delete(key)
        if not isinstance(data, dict):
            return None
        token, saved = data.get("token"), data.get("saved")
        if not isinstance(token, str) or not isinstance(saved, (int, float)):
            return None
        return token if _is_fresh(saved, now, self._ttl) else None


class Waiting(t.NamedTuple):
    """A login that waits for its page."""

    #: Stands for the browser that has logged in.
    browser: str
    subject: str
    #: More claims for its token.
    claims: dict[str, t.Any]


class WaitingLogins:
    """Logins in a store. They are signed: pages, and views that take ids from clients, may write
    to the same store, and must not log anybody in.

    :param secret: Signs them.
    """

    def __init__(self, store: OIDCBFFTokenStore, secret: str) -> None:
        self._store = store
        self._serializer = serializer(secret, "fluxsync.waiting")

    def save(self, code: str, waiting: Waiting) -> None:
        """Keep a login."""
        signed = self._serializer.dumps([_key(code), *waiting])
        self._store.save_exchange_token(code, signed, now=time.time())

    def pop(self, code: str) -> Waiting | None:
        """Return a login and forget it; ``None`` if it isn't there, too old, or not ours."""
        kept = self._store.pop_exchange_token(code, now=time.time())
        try:
            key, *waiting = self._serializer.loads(kept or "")
        except itsdangerous.BadData:
            return None
        return Waiting(*waiting) if key == _key(code) else None


def _key(auth_code: str) -> str:
    # Who reads the store can't redeem what is in it. No URL session has such an id.
    return "oidc-" + hashlib.sha256(auth_code.encode()).hexdigest()


def _is_fresh(saved: float, now: float, ttl: float) -> bool:
    """Whether it's recent, by clocks that may be set back or differ a little."""
    return abs(now - saved) < ttl
