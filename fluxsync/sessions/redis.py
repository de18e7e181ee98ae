"""Sessions in Redis, for all machines."""

from __future__ import annotations

import contextlib
import math
import typing as t

from ..config.masking import hide_password
from ..exceptions import SessionError
from .data import MAX_BYTES
from .store import DEFAULT_TTL, TextStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

#: Seconds for a connection, and for an answer.
_TIMEOUT = 5.0


class RedisSessionStore(TextStore):
    """Keeps sessions in Redis, or in what speaks its protocol.

    Redis itself removes what is too old. How many sessions there may be is its ``maxmemory``.

    :param url_or_client: ``redis://``, ``rediss://`` or ``unix://``; or a client of one's own,
        with the timeouts that it has.
    :param default_ttl_seconds: How long a session is kept that nobody writes to.
    :param prefix: Begins all keys; another one for each application.
    :param max_bytes: Largest session, as JSON.
    :param secret: Signs ids; Redis keeps a key if it's empty.
    :raise SessionError: The package ``redis`` is missing, a limit isn't positive, or it's no URL;
        in the methods, Redis can't be reached.
    """

    def __init__(
        self,
        url_or_client: str | Redis,
        default_ttl_seconds: float = DEFAULT_TTL,
        *,
        prefix: str = "fluxsync:",
        max_bytes: int = MAX_BYTES,
        secret: str = "",
    ) -> None:
        super().__init__(default_ttl_seconds, max_bytes, secret)
        try:
            import redis
        except ImportError as e:
            raise SessionError("sessions in Redis need: pip install 'fluxsync[redis]'") from e
        self._error = redis.RedisError
        self._prefix = prefix
        if not isinstance(url_or_client, str):
            self._name, self._client = "Redis", t.cast("t.Any", url_or_client)
            return
        self._name = hide_password(url_or_client)
        try:
            # Connects when it's first used.
            self._client = redis.Redis.from_url(
                url_or_client, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
            )
        except ValueError:
            # The reason may be half of a password that has a slash in it.
            raise SessionError(
                f"session store {self._name}: expected redis://user:password@host:port/number, "
                "where the password has %2F for '/', %23 for '#' and so on"
            ) from None

    def __str__(self) -> str:
        return self._name

    def close(self) -> None:
        """Close connections that nobody uses; the next call opens others."""
        self._client.connection_pool.disconnect()

    def _read(self, key: str) -> str | None:
        with self._errors():
            return _text(self._client.get(self._name_of(key)))

    def _write(self, key: str, text: str, ttl: float) -> None:
        with self._errors():
            self._client.set(self._name_of(key), text, px=math.ceil(ttl * 1000))

    def _remove(self, key: str) -> bool:
        with self._errors():
            return bool(self._client.delete(self._name_of(key)))

    def _keep_key(self, proposed: str) -> str:
        name = f"{self._prefix}signing-key"
        with self._errors():
            self._client.set(name, proposed, nx=True)
            kept = _text(self._client.get(name))
        if not kept:
            raise SessionError(f"session store {self._name}: it loses what is written")
        return kept

    def _name_of(self, key: str) -> str:
        return f"{self._prefix}session:{key}"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as e:
            # Redis-py's messages may have the address, but not the password.
            raise SessionError(f"session store {self._name}: {e}") from e


def _text(value: t.Any) -> str | None:
    """Return what was read as text; clients may decode, or not."""
    return value.decode() if isinstance(value, bytes) else value
