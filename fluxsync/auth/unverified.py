"""How the ID tokens of a login are checked, also those of a provider of one's own."""

from __future__ import annotations

import typing as t

import pydantic

from .claims import StandardClaims, load_pyjwt
from .oidc import check_nonce
from .verification import InvalidTokenError

if t.TYPE_CHECKING:
    from .bff import OIDCBFFConfig

Verify: t.TypeAlias = "t.Callable[[str, str], StandardClaims]"


def verifier_of(config: OIDCBFFConfig) -> Verify:
    """Return what checks an ID token against a nonce.

    :raise ValueError: The provider can't, and nothing says that it needn't.
    """
    verify = getattr(config.oidc, "verify_id_token", None)
    if verify is not None:

        def verified(id_token: str, nonce: str) -> StandardClaims:
            return t.cast(
                StandardClaims,
                verify(
                    id_token,
                    nonce=nonce,
                    audience=config.id_token_audience,
                    leeway=config.id_token_leeway_seconds,
                ),
            )

        return verified
    if not config.allow_unverified_id_token_for_custom_oidc:
        raise ValueError(
            f"oidc={type(config.oidc).__name__} has no verify_id_token: expected one, or "
            "allow_unverified_id_token_for_custom_oidc=True"
        )

    def unverified(id_token: str, nonce: str) -> StandardClaims:
        return read(id_token, nonce, config)

    return unverified


def read(id_token: str, nonce: str, config: OIDCBFFConfig) -> StandardClaims:
    """Return what a token says whose signature can't be checked.

    It came from the token endpoint itself (Core 3.1.3.7, 6); all else is checked.
    """
    jwt = load_pyjwt()
    audience = config.id_token_audience
    try:
        claims = StandardClaims(
            **jwt.decode(
                id_token,
                issuer=config.oidc.issuer,
                audience=audience or None,
                leeway=config.id_token_leeway_seconds,
                options={
                    "verify_signature": False,
                    "verify_exp": True,
                    "verify_nbf": True,
                    "verify_iss": True,
                    "verify_aud": bool(audience),
                    "require": ["exp", "iss", "sub"],
                },
            )
        )
    except (jwt.PyJWTError, pydantic.ValidationError, ValueError, TypeError) as e:
        raise InvalidTokenError("Invalid token") from e
    if claims.get("nonce") is not None:
        check_nonce(claims, nonce)
    return claims
