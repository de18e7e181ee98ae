"""Tokens that this application signs and checks with a secret of its own, and what is in them."""

from __future__ import annotations

import time
import typing as t
import uuid

import pydantic

if t.TYPE_CHECKING:
    import types
    from collections.abc import Mapping, Sequence

#: RFC 7518 3.2: "A key of the same size as the hash output (for instance, 256 bits for 'HS256')
#: or larger MUST be used".
LEAST_SECRET_BYTES = 32
#: Claims with a meaning of their own (RFC 7519 4.1).
REGISTERED = frozenset(("iss", "sub", "aud", "exp", "nbf", "iat", "jti"))


class StandardClaims(pydantic.BaseModel):
    """What a token says: the registered claims (RFC 7519 4.1), and whatever else is in it.

    Others are attributes, too: ``claims.email``; :meth:`get` doesn't mind if they're absent.
    """

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    sub: str | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    exp: int | float | None = None
    iat: int | float | None = None
    nbf: int | float | None = None
    jti: str | None = None
    #: OAuth 2.0 scopes, separated by spaces.
    scope: str | list[str] | None = None

    def get(self, name: str) -> t.Any:
        """Return a claim; ``None`` if it's absent.

        :param name: Its name, or several with dots for one within objects:
            ``realm_access.roles``.
        """
        value: t.Any = self.model_dump()
        if name in value:
            return value[name]
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        return value


def load_pyjwt() -> types.ModuleType:
    """Return PyJWT.

    :raise RuntimeError: It, or what it needs for public keys, isn't installed.
    """
    try:
        import cryptography  # noqa: F401
        import jwt
    except ModuleNotFoundError as e:
        raise RuntimeError(
            f"tokens need the package {e.name}, which isn't installed: pip install 'fluxsync[auth]'"
        ) from e
    return jwt


def is_within(value: object, least: float, most: float) -> bool:
    """Whether this is a number from one to another."""
    return isinstance(value, (int, float)) and least <= value <= most


def check_names(kind: str, names: tuple[object, ...]) -> None:
    """Refuse names of scopes or roles that no token has.

    :param kind: ``scopes`` or ``roles``.
    :raise ValueError: There's none, or something else.
    """
    # RFC 6749 3.3: a space is between scopes, so that one with a space would be had by nobody.
    for name in names or (names,):
        if not (name and isinstance(name, str)) or (kind == "scopes" and " " in name):
            raise ValueError(f"{kind}={names!r}: expected one or more, each a text of its own")


def texts(value: t.Any) -> set[str]:
    """Return the texts of a list; of what is no list, none."""
    return {item for item in value if isinstance(item, str)} if isinstance(value, list) else set()


def check_secret(name: str, secret: object) -> None:
    """Refuse a secret that is too short to sign with.

    :param name: What it's called where it was given.
    :raise ValueError: It's too short, or no text.
    """
    if not isinstance(secret, str):
        raise ValueError(f"{name} is of type {type(secret).__name__}: expected a text")
    if len(secret.encode()) < LEAST_SECRET_BYTES:
        raise ValueError(
            f"{name}='***' has {len(secret.encode())} bytes: expected {LEAST_SECRET_BYTES} "
            "or more, such as of: openssl rand -hex 32"
        )


def issue_hs256_access_token(
    *,
    subject: str,
    issuer: str,
    audience: str | Sequence[str],
    secret: str,
    ttl_seconds: float,
    extra_claims: Mapping[str, t.Any] | None = None,
) -> str:
    """Return a signed token.

    :param subject: Who it's about.
    :param secret: 32 bytes or more.
    :param ttl_seconds: For how long it's valid, from now.
    :param extra_claims: More claims; none of those that the other parameters make.
    :raise ValueError: An argument makes no sense.
    """
    jwt = load_pyjwt()
    check_secret("secret", secret)
    for name, text in (("subject", subject), ("issuer", issuer), ("audience", audience)):
        if not text:
            raise ValueError(f"{name}={text!r}: expected a text")
    if not is_within(ttl_seconds, 1e-3, 1e10):
        raise ValueError(f"ttl_seconds={ttl_seconds!r}: expected a number over 0")
    if taken := REGISTERED & set(extra_claims or ()):
        raise ValueError(f"extra_claims has {min(taken)!r}, which is for fluxsync to say")
    now = int(time.time())
    claims = {
        **(extra_claims or {}),
        "sub": subject,
        "iss": issuer,
        "aud": audience if isinstance(audience, str) else list(audience),
        "iat": now,
        "exp": now + int(ttl_seconds + 0.999),
        "jti": uuid.uuid4().hex,
    }
    return t.cast(str, jwt.encode(claims, secret, algorithm="HS256"))
