"""Tokens of requests."""

from __future__ import annotations

import re
import time
import typing as t

import flask
import jwt
import pydantic
import pytest
from flask_openapi3.blueprint import APIBlueprint

from fluxsync import ConfigError, FluxSyncSettings
from fluxsync.api.application import create_api
from fluxsync.auth import (
    JWTAuthConfig,
    JWTBearer,
    RequireRoles,
    RequireScopes,
    issue_hs256_access_token,
)
from fluxsync.auth.jwt import RefusingBearer
from tests.support.openid import Issuer, raw_token

if t.TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

SECRET = "a secret of the API with enough bytes"


@pytest.fixture
def issuer() -> t.Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


def bearer_of(issuer: Issuer, **changes: t.Any) -> JWTBearer:
    algorithms = changes.pop("algorithms", ["RS256", "ES256"])
    config = JWTAuthConfig("https://issuer", "api", algorithms, jwks_url=issuer.url, **changes)
    return JWTBearer(config)


def hs256(**changes: t.Any) -> JWTBearer:
    config = JWTAuthConfig("me", "api", ["HS256"], hs256_secret=SECRET, **changes)
    return JWTBearer(config)


def own_token(**claims: t.Any) -> str:
    return issue_hs256_access_token(
        subject="ada",
        issuer="me",
        audience="api",
        secret=SECRET,
        ttl_seconds=60,
        extra_claims=claims,
    )


def client_of(bearer: JWTBearer | RequireScopes | RequireRoles) -> FlaskClient:
    api = create_api("x", "/api")

    @api.get("/me")
    @bearer.required
    def me() -> t.Any:
        return {"sub": bearer.current().sub}

    return api.test_client()


def ask(client: FlaskClient, token: str, scheme: str = "Bearer") -> TestResponse:
    return client.get("/me", headers={"Authorization": f"{scheme} {token}"})


def refused(response: TestResponse, detail: str, error: str | None = None) -> None:
    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["detail"] == detail
    challenge = response.www_authenticate
    assert (challenge.type, challenge.get("error")) == ("bearer", error)


@pytest.mark.parametrize(("kid", "algorithm"), [("rsa", "RS256"), ("ec", "ES256"), (None, "ES256")])
def test_valid_token(issuer: Issuer, kid: str | None, algorithm: str) -> None:
    client = client_of(bearer_of(issuer))

    response = ask(client, issuer.token(kid, algorithm=algorithm))

    assert response.json == {"sub": "ada"}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_scheme_in_other_letters(scheme: str) -> None:
    assert ask(client_of(hs256()), own_token(), scheme).status_code == 200


def test_no_token() -> None:
    client = client_of(hs256())

    refused(client.get("/me"), "Missing bearer token")
    refused(ask(client, "YTpi", "Basic"), "Missing bearer token")
    refused(ask(client, ""), "Empty bearer token")


def test_expired_token(issuer: Issuer) -> None:
    client = client_of(bearer_of(issuer))

    response = ask(client, issuer.token(exp=int(time.time()) - 1))

    refused(response, "Token expired", "invalid_token")


def test_leeway(issuer: Issuer) -> None:
    client = client_of(bearer_of(issuer, leeway_seconds=300))

    assert ask(client, issuer.token(exp=int(time.time()) - 200)).status_code == 200
    refused(ask(client, issuer.token(exp=int(time.time()) - 400)), "Token expired", "invalid_token")


FORGED: dict[str, t.Callable[[Issuer], str]] = {
    "another issuer": lambda i: i.token(iss="https://evil"),
    "another audience": lambda i: i.token(aud="other"),
    "no exp": lambda i: i.token(exp=None),
    "no iss": lambda i: i.token(iss=None),
    "no aud": lambda i: i.token(aud=None),
    "not yet": lambda i: i.token(nbf=int(time.time()) + 100),
    "unknown key": lambda i: i.token("other"),
    "key of another algorithm": lambda i: i.token("ec", algorithm="RS256"),
    "algorithm that isn't allowed": lambda i: i.token(algorithm="RS512"),
    "another key": lambda i: i.token(key=i.ec_key, algorithm="ES256", kid="rsa"),
    # RFC 8725 2.1: the public key, taken for a secret.
    "public key as a secret": lambda i: raw_hs256(i),
    "published secret": lambda i: i.token("oct", algorithm="HS256", key="k" * 32),
    "none": lambda i: raw_token({"alg": "none"}, {"sub": "ada", "exp": 9e9}),
    "no alg": lambda i: raw_token({}, {"sub": "ada"}),
    "alg of another type": lambda i: raw_token({"alg": ["RS256"]}, {}),
    "kid of another type": lambda i: raw_token({"alg": "RS256", "kid": {}}, {}),
    "crit": lambda i: critical(i, ["x"]),
    "crit that is known elsewhere": lambda i: critical(i, ["b64"]),
    "no object": lambda i: raw_token([], []),
    "deep": lambda i: raw_token({"alg": "RS256", "kid": "rsa"}, 1).replace(".", ".W1tb", 1),
    "text": lambda i: "token",
    "dots": lambda i: "..",
    "not ASCII": lambda i: "\xe9.\xe9.\xe9",
    "huge": lambda i: "x" * 20000,
    "two": lambda i: f"{i.token()}, Bearer {i.token()}",
    "sub of another type": lambda i: i.token(sub=1),
    "exp of another type": lambda i: i.token(exp="tomorrow"),
    "infinite exp": lambda i: i.token(exp=1e400),
}


def critical(issuer: Issuer, names: list[str]) -> str:
    """Return a token that is right but for extensions that must be understood."""
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    extensions = {"kid": "rsa", "crit": names, "x": 1, "b64": True}
    return jwt.encode(claims, issuer.rsa_key, "RS256", extensions)


def raw_hs256(issuer: Issuer) -> str:
    from cryptography.hazmat.primitives import hashes, hmac
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = issuer.rsa_key.public_key()
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = {"iss": "https://issuer", "aud": "api", "sub": "mallory", "exp": int(time.time()) + 60}
    unsigned = raw_token({"alg": "HS256", "kid": "rsa"}, claims).rstrip(".")
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(unsigned.encode())
    return f"{unsigned}.{jwt.utils.base64url_encode(mac.finalize()).decode()}"


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED)
def test_invalid_token(issuer: Issuer, make: t.Callable[[Issuer], str]) -> None:
    issuer.keys.append(
        {"kty": "oct", "k": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s", "kid": "oct"}
    )

    response = ask(client_of(bearer_of(issuer)), make(issuer))

    refused(response, "Invalid token", "invalid_token")


def test_own_tokens_of_others() -> None:
    client = client_of(hs256())

    refused(ask(client, own_token() + "x"), "Invalid token", "invalid_token")
    forged = jwt.encode({"iss": "me", "aud": "api", "exp": time.time() + 60}, "x" * 32)
    refused(ask(client, forged), "Invalid token", "invalid_token")


def test_keys_cannot_be_had(issuer: Issuer) -> None:
    client, token = client_of(bearer_of(issuer)), issuer.token()
    issuer.close()

    response = ask(client, token)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "10"


def test_token_is_checked_once_per_request() -> None:
    """But in each request anew, even where they share an application context."""
    bearer = hs256()
    api = flask.Flask("x")
    seen = []

    @api.get("/me")
    @bearer.required
    def me() -> t.Any:
        seen.append(bearer.current() is bearer())
        return {}

    with api.app_context():
        assert ask(api.test_client(), own_token()).status_code == 200
        assert api.test_client().get("/me").status_code == 401
    assert seen == [True]


def test_blueprint() -> None:
    bearer = hs256()
    api = create_api("x", "/api")
    reports = APIBlueprint("reports", __name__)
    reports.before_request(RequireRoles(bearer, "admin").check)

    @reports.get("/reports")
    def all_reports() -> t.Any:
        return {}

    api.register_api(reports)
    client = api.test_client()

    def status(token: str) -> int:
        return client.get("/reports", headers={"Authorization": f"Bearer {token}"}).status_code

    assert [status(x) for x in ("", own_token(), own_token(roles=["admin"]))] == [401, 403, 200]


class Path(pydantic.BaseModel):
    name: str


def test_views_keep_their_arguments() -> None:
    bearer = hs256()
    api = create_api("x", "/api")

    @api.get("/users/<name>")
    @bearer.required
    def user(path: Path) -> t.Any:
        return {"name": path.name}

    @api.route("/async/<name>")
    @bearer.required
    def plain(name: str) -> t.Any:
        return {"name": name}

    headers = {"Authorization": f"Bearer {own_token()}"}
    for path in ("/users/ada", "/async/ada"):
        assert api.test_client().get(path, headers=headers).json == {"name": "ada"}
        assert api.test_client().get(path).status_code == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "read write more"}, 200),
        ({"scope": ["write", "read"]}, 200),
        ({"scope": "read"}, 403),
        ({"scope": "readwrite"}, 403),
        ({"scope": ["read write"]}, 403),
        ({"scp": "read write"}, 403),
        ({}, 403),
        ({"scope": 1}, 401),
    ],
)
def test_scopes(claims: dict[str, t.Any], status: int) -> None:
    client = client_of(RequireScopes(hs256(), "read", "write"))

    response = ask(client, own_token(**claims))

    assert response.status_code == status
    if status == 403:
        assert response.www_authenticate["error"] == "insufficient_scope"
        assert response.www_authenticate["scope"] == "read write"
        assert response.json is not None
        assert response.json["detail"] == "Insufficient scope"
        assert response.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("claim", "claims", "status"),
    [
        ("roles", {"roles": ["staff", "x"]}, 200),
        ("roles", {"roles": "admin"}, 200),
        ("roles", {"roles": "admin staff"}, 403),
        ("roles", {"roles": {"admin": 1}}, 403),
        ("roles", {"roles": [["admin"]]}, 403),
        ("roles", {}, 403),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, 200),
        ("https://example.org/roles", {"https://example.org/roles": ["admin"]}, 200),
    ],
)
def test_roles(claim: str, claims: dict[str, t.Any], status: int) -> None:
    client = client_of(RequireRoles(hs256(), "admin", "staff", roles_claim=claim))

    assert ask(client, own_token(**claims)).status_code == status
    assert client.get("/me").status_code == 401


def test_nothing_required_is_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"^scopes="):
        RequireScopes(hs256())
    with pytest.raises(ValueError, match=r"^roles="):
        RequireRoles(hs256())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "expected one of jwks_url and hs256_secret"),
        ({"jwks_url": "https://a", "hs256_secret": SECRET}, "expected one of"),
        ({"hs256_secret": SECRET}, "algorithms=['RS256']: expected ['HS256'] with hs256_secret"),
        ({"hs256_secret": SECRET, "algorithms": ["HS256", "RS256"]}, "expected ['HS256']"),
        ({"hs256_secret": "hunter2", "algorithms": ["HS256"]}, "hs256_secret='***' has 7 bytes"),
        ({"jwks_url": "https://a", "algorithms": ["HS256"]}, "algorithms=['HS256']: expected some"),
        ({"jwks_url": "https://a", "algorithms": ["none"]}, "algorithms=['none']: expected some"),
        ({"jwks_url": "https://a", "algorithms": []}, "algorithms=[]: expected some"),
        ({"jwks_url": "https://a", "algorithms": "RS256"}, "algorithms='RS256': expected a list"),
        ({"jwks_url": "http://a"}, "jwks_url='http://a': expected an https URL"),
        ({"jwks_url": "file:///a"}, "jwks_url='file:///a': expected an https URL"),
        ({"jwks_url": "https://a", "leeway_seconds": 301}, "leeway_seconds=301: expected"),
        ({"jwks_url": "https://a", "issuer": ""}, "issuer='': expected"),
        ({"jwks_url": "https://a", "audience": ""}, "audience='': expected"),
        ({"jwks_url": "https://a", "audience": ["a", ""]}, "audience=['a', '']: expected"),
    ],
)
def test_bad_configuration(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as e:
        JWTAuthConfig(**{"issuer": "me", "audience": "api", **config})

    assert "hunter2" not in str(e.value)
    assert "\n" not in str(e.value)


def test_secret_is_not_shown() -> None:
    assert SECRET not in repr(hs256().config)


def test_settings_with_keys(issuer: Issuer) -> None:
    settings = FluxSyncSettings(
        jwt_issuer="https://issuer", jwt_audience="api", jwt_jwks_url=issuer.url
    )
    client = client_of(JWTBearer.from_fluxsync_settings(settings))

    assert ask(client, issuer.token("ec", algorithm="ES256")).json == {"sub": "ada"}


def test_settings_with_a_secret() -> None:
    settings = FluxSyncSettings(
        jwt_issuer="me", jwt_audience="api", jwt_hs256_secret=SECRET, jwt_leeway_seconds=5
    )
    bearer = JWTBearer.from_fluxsync_settings(settings)

    assert ask(client_of(bearer), own_token()).json == {"sub": "ada"}
    assert bearer.config.leeway_seconds == 5


def test_settings_of_logins() -> None:
    bearer = JWTBearer.from_fluxsync_settings(FluxSyncSettings(oidc_bff_secret=SECRET))

    assert (bearer.config.issuer, bearer.config.audience) == ("fluxsync-bff", "fluxsync-app")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "jwt_jwks_url='' from default: expected an https URL, or jwt_hs256_secret"),
        ({"jwt_hs256_secret": SECRET}, "jwt_issuer='' from default: expected the iss claim"),
        (
            {"jwt_hs256_secret": SECRET, "jwt_issuer": "me"},
            "jwt_audience='' from default: expected the aud claim",
        ),
        (
            {"jwt_hs256_secret": SECRET, "jwt_jwks_url": "https://a"},
            "jwt_hs256_secret='***' from code: expected nothing, as jwt_jwks_url is set",
        ),
        ({"oidc_bff_secret": SECRET, "jwt_issuer": "me"}, "jwt_jwks_url='' from default"),
        ({"jwt_hs256_secret": "hunter2"}, "jwt_hs256_secret='***' from code: expected at least 32"),
        ({"oidc_bff_secret": "hunter2"}, "oidc_bff_secret='***' from code: expected at least 32"),
        ({"jwt_jwks_url": "http://a"}, "jwt_jwks_url='http://a' from code: expected an https URL"),
        ({"jwt_leeway_seconds": 301}, "jwt_leeway_seconds=301 from code: expected an integer from"),
    ],
)
def test_bad_settings(settings: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ConfigError) as e:
        JWTBearer.from_fluxsync_settings(FluxSyncSettings(**settings))

    assert str(e.value).startswith(message)
    assert SECRET not in str(e.value)


def test_refusing_bearer() -> None:
    assert ask(client_of(RefusingBearer()), own_token()).status_code == 503
