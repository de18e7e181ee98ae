"""Whether a token is what it says (RFC 7519, RFC 8725)."""

from __future__ import annotations

import dataclasses
import typing as t

import pydantic

from ..exceptions import ProviderError
from .claims import StandardClaims, load_pyjwt
from .keys import KeySet, UnknownKeyError

if t.TYPE_CHECKING:
    from collections.abc import Sequence

#: Most characters of a token; servers take no longer header fields either.
_LONGEST = 16384


class InvalidTokenError(Exception):
    """A token isn't believed; the text says why, for those who sent it."""


class Keys(t.Protocol):
    """Where the key of a token comes from."""

    def find(self, kid: str | None, algorithm: str) -> t.Any:
        """Return a key as PyJWT takes it.

        :raise UnknownKeyError: It isn't there.
        :raise ProviderError: It can't be fetched.
        """


class Secret:
    """The one secret of HS256."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def find(self, kid: str | None, algorithm: str) -> str:
        """Return it."""
        return self._secret


@dataclasses.dataclass(frozen=True)
class Verifier:
    """Checks tokens. Thread-safe.

    :param algorithms: All that are accepted. The token's own word counts for nothing more.
    :param required: Claims that must be there, besides ``exp``.
    """

    keys: Keys
    algorithms: Sequence[str]
    issuer: str
    audience: str | Sequence[str]
    leeway: float = 0
    required: Sequence[str] = ("iss", "aud")

    def verify(self, token: str) -> StandardClaims:
        """Return what a token says.

        :raise InvalidTokenError: It isn't valid.
        :raise ProviderError: The keys can't be fetched.
        """
        jwt = load_pyjwt()
        if len(token) > _LONGEST:
            raise InvalidTokenError("Invalid token")
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in self.algorithms or not isinstance(kid, str | None):
                raise InvalidTokenError("Invalid token")
            # RFC 7515 4.1.11: extensions that must be understood. PyJWT knows since 2.12.
            if "crit" in header:
                raise InvalidTokenError("Invalid token")
            claims = jwt.decode(
                token,
                self.keys.find(kid, algorithm),
                algorithms=[algorithm],
                issuer=self.issuer,
                audience=self.audience if isinstance(self.audience, str) else list(self.audience),
                leeway=self.leeway,
                options={"require": ["exp", *self.required]},
            )
            return StandardClaims(**claims)
        except jwt.ExpiredSignatureError as e:
            raise InvalidTokenError("Token expired") from e
        except (InvalidTokenError, ProviderError):
            raise
        # What is in a token that nobody has signed can be anything, for which libraries
        # aren't always prepared.
        except (
            *(jwt.PyJWTError, UnknownKeyError, pydantic.ValidationError),
            *(ValueError, TypeError, AttributeError, OverflowError, RecursionError),
        ) as e:
            raise InvalidTokenError("Invalid token") from e


def public_keys(url: str, timeout: float) -> KeySet:
    """Return the keys under a URL."""
    return KeySet(lambda: url, timeout)
