"""Ids of URL sessions: random, and signed by us.

An id is ``<32 random bytes>.<signature>``, both in URL-safe base64. The signature tells ids that
we made from those that somebody made up, before any store is asked. It doesn't tell whose an id
is: whoever has the URL has the session.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import typing as t

import itsdangerous

logger = logging.getLogger("fluxsync.sessions")

_SEPARATOR = "."
#: Longer ones aren't ours: 43 characters, the separator, 43 characters.
_LENGTH = 87


class Signer:
    """Signs ids and checks them.

    :param key: From :func:`signing_key`.
    """

    def __init__(self, key: bytes) -> None:
        self._signer = itsdangerous.Signer(
            key,
            salt=b"fluxsync.sessions",
            sep=_SEPARATOR,
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def sign(self, random: str) -> str:
        """Return the id with a random part."""
        return self._signer.sign(random).decode()

    def is_signed(self, session_id: str) -> bool:
        """Return whether we made an id."""
        return (
            len(session_id) == _LENGTH
            and session_id.isascii()
            and self._signer.validate(session_id)
        )


def random_part() -> str:
    """Return a new id without a signature."""
    return secrets.token_urlsafe(32)


def stored_key(session_id: str, namespace: str = "") -> str:
    """Return under which key an id's data is stored.

    It's a hash of the random part, so that who reads a database has no URLs that work.
    """
    text = session_id.partition(_SEPARATOR)[0]
    if namespace:
        text += f"\0{namespace}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def signing_key(store: object, secret: str) -> bytes:
    """Return the key with which a store's ids are signed.

    :param secret: ``session_secret``; if it's empty, the store keeps a key for all who share it.
    """
    if secret:
        return secret.encode()
    of_store = getattr(store, "signing_key", None)
    if of_store is not None:
        return t.cast("bytes", of_store())
    return _key_of_process(type(store).__name__)


_lock = threading.Lock()
_process_key = b""


def _key_of_process(store: str) -> bytes:
    global _process_key
    with _lock:
        if not _process_key:
            _process_key = secrets.token_bytes(32)
            logger.warning(
                "ids of URL sessions in %s end with this process: set FLUXSYNC_SESSION_SECRET",
                store,
            )
        return _process_key
