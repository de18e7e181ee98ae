"""URL sessions, tokens and logins."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import Parameter, SecureUrl, SessionSecret, SessionStore, SigningSecret
from .group import Group


class IdentitySettings(Group):
    """URL sessions, tokens and logins."""

    url_session_query_param: Parameter = Field(
        "fluxsync_sid", description="Query parameter that carries the id of a URL session."
    )
    session_store: SessionStore = Field("auto", description="Where URL sessions are kept.")
    session_secret: SessionSecret = Field(
        "", description="Signs the ids of URL sessions; the store keeps a key if empty."
    )
    session_ttl_s: t.Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        86400.0, description="How long a URL session is kept that nobody writes to."
    )
    disable_url_session: bool = Field(False, description="Have no URL sessions.")
    jwt_issuer: str = Field("", description="The iss claim of tokens that are believed.")
    jwt_audience: str = Field("", description="The aud claim of tokens that are believed.")
    jwt_jwks_url: SecureUrl = Field("", description="Where their issuer publishes its keys.")
    jwt_hs256_secret: SigningSecret = Field(
        "", description="What they are signed with instead, if it's a secret."
    )
    jwt_leeway_seconds: int = Field(0, ge=0, le=300, description="How much clocks may differ.")
    oidc_bff_secret: SigningSecret = Field(
        "", description="Signs the tokens and the cookie of logins at an OpenID provider."
    )
