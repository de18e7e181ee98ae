"""The public keys with which somebody else's tokens are checked (RFC 7517)."""

from __future__ import annotations

import typing as t

from ..exceptions import ProviderError
from ..upstream.oidc import get_json
from .cached import Cached

if t.TYPE_CHECKING:
    from jwt import PyJWK

Jwk: t.TypeAlias = "dict[str, t.Any]"

#: Algorithms of public keys, and what kind of key is theirs (RFC 7518 3.1, RFC 8037).
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{f"{family}{bits}": ("RSA", ()) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
PUBLIC_KEY_ALGORITHMS = tuple(_KINDS)

#: Members of a private or symmetric key. Such a key is as good as published.
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
#: RFC 7518 3.3: "A key of size 2048 bits or larger MUST be used".
_LEAST_RSA_BITS = 2048


class UnknownKeyError(Exception):
    """No key is there for a token."""


class KeySet:
    """The keys under a URL, fetched when they're needed.

    Keys are looked for anew when a token names one that isn't there, but not more often than
    every :data:`~fluxsync.auth.cached.COOLDOWN` seconds. Thread-safe.

    :param url: Returns the URL of the keys, or raises
        :exc:`~fluxsync.exceptions.ProviderError`.
    :param timeout: Seconds for an answer.
    """

    def __init__(self, url: t.Callable[[], str], timeout: float) -> None:
        self._url = url
        self._timeout = timeout
        self._keys = Cached(self._fetch)

    def find(self, kid: str | None, algorithm: str) -> PyJWK:
        """Return the key of a token.

        :param kid: The key's id, as the token's header names it.
        :raise UnknownKeyError: It isn't there.
        :raise ProviderError: The keys can't be fetched.
        """
        keys = self._keys.get()
        found = choose(keys, kid, algorithm)
        if found is None:
            found = choose(self._keys.get(but=keys), kid, algorithm)
        if found is None:
            raise UnknownKeyError(kid)
        return _load(found, algorithm)

    def _fetch(self) -> list[Jwk]:
        url = self._url()
        keys = get_json(url, self._timeout).get("keys")
        if not isinstance(keys, list):
            raise ProviderError(f"{url} has no list of keys")
        return [key for key in keys if isinstance(key, dict)]


def choose(keys: t.Iterable[Jwk], kid: str | None, algorithm: str) -> Jwk | None:
    """Return the key for an algorithm; ``None`` if there's none, or it isn't clear which."""
    if algorithm not in _KINDS:
        return None
    kind, curves = _KINDS[algorithm]
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and (not curves or key.get("crv") in curves)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (kid is None or key.get("kid") == kid)
    ]
    return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None


def _load(key: Jwk, algorithm: str) -> PyJWK:
    import jwt

    try:
        public = {name: value for name, value in key.items() if name not in _PRIVATE}
        loaded = jwt.PyJWK(public, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as e:
        raise UnknownKeyError(f"{key.get('kid')}: {e}") from e
    if key["kty"] == "RSA" and loaded.key.key_size < _LEAST_RSA_BITS:
        raise UnknownKeyError(f"{key.get('kid')} has {loaded.key.key_size} bits")
    return loaded
