from __future__ import annotations

import base64
import hashlib
import re
import time
import typing as t

import pytest

from fluxsync.auth import GenericOIDCClient, GenericOIDCClientConfig, pkce_pair
from fluxsync.auth.oidc import WrongNonceError
from fluxsync.auth.verification import InvalidTokenError
from fluxsync.exceptions import ProviderError, ProviderTimeoutError
from tests.support.openid import Issuer, Provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib")


@pytest.fixture
def provider() -> t.Iterator[Provider]:
    with Provider() as provider:
        yield provider


def client_of(provider: Provider, **changes: t.Any) -> GenericOIDCClient:
    config = {"issuer": provider.issuer, "client_id": "app", "client_secret": "pw", **changes}
    return GenericOIDCClient(GenericOIDCClientConfig(**config))


def test_pkce() -> None:
    """RFC 7636 4.1, 4.2."""
    (verifier, challenge), (other, _) = pkce_pair(), pkce_pair()

    assert re.fullmatch(r"[\w~.-]{43,128}", verifier, re.ASCII)
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    assert challenge == digest.decode().rstrip("=")
    assert verifier != other


def test_metadata_now(provider: Provider) -> None:
    client_of(provider).load_discovery_sync()

    assert provider.paths == ["/.well-known/openid-configuration"]


def test_slash_at_the_end_of_the_issuer(provider: Provider) -> None:
    client_of(provider, issuer=provider.issuer + "/").load_discovery_sync()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"issuer": "https://evil.example"}, "is of another issuer: 'https://evil.example'$"),
        ({"token_endpoint": None}, "has no valid token_endpoint$"),
        ({"token_endpoint": "http://example.org"}, "token_endpoint isn't an https URL$"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri isn't an https URL$"),
        ({"authorization_endpoint": "javascript:x"}, "authorization_endpoint isn't an https URL$"),
    ],
)
def test_bad_metadata(provider: Provider, metadata: dict[str, t.Any], message: str) -> None:
    provider.metadata = metadata

    with pytest.raises(ProviderError, match=message):
        client_of(provider).load_discovery_sync()


def test_silent_provider(silent: str) -> None:
    client = GenericOIDCClient(GenericOIDCClientConfig(silent, "app", http_timeout=0.2))

    with pytest.raises(ProviderTimeoutError):
        client.load_discovery_sync()


@pytest.mark.parametrize(
    ("methods", "secret", "form", "basic"),
    [
        (
            ["client_secret_post", "client_secret_basic"],
            "pw",
            {"client_id", "client_secret"},
            False,
        ),
        (["client_secret_basic"], "pw", set(), True),
        (["private_key_jwt"], "", {"client_id"}, False),
    ],
)
def test_authentication_at_the_token_endpoint(
    provider: Provider, methods: list[str], secret: str, form: set[str], basic: bool
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": methods}
    provider.answer = ({"id_token": "x"}, 200)
    client = client_of(provider, client_secret=secret)

    found = client.exchange_code(code="c", code_verifier="v", redirect_uri="https://a/b")

    assert found == {"id_token": "x"}
    [(sent, authorization)] = provider.asked
    common = {"grant_type", "code", "redirect_uri", "code_verifier"}
    assert sent.keys() == common | form
    assert bool(authorization) is basic


def test_provider_without_an_end_of_sessions(provider: Provider) -> None:
    provider.metadata = {"end_session_endpoint": None}
    assert client_of(provider).end_session_url("https://a/") is None

    provider.metadata = {"end_session_endpoint": "http://evil.example"}
    assert client_of(provider).end_session_url("https://a/") is None


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        pytest.param({}, None, id="right"),
        pytest.param({"aud": ["app"]}, None, id="list"),
        pytest.param({"aud": ["app", "b"], "azp": "app"}, None, id="several, for us"),
        pytest.param({"aud": ["app", "b"]}, InvalidTokenError, id="several, for whom"),
        pytest.param({"azp": "b"}, InvalidTokenError, id="for another client"),
        pytest.param({"aud": "b"}, InvalidTokenError, id="another audience"),
        pytest.param({"iss": "https://evil.example"}, InvalidTokenError, id="another issuer"),
        pytest.param({"nonce": "x"}, WrongNonceError, id="another login"),
        pytest.param({"nonce": None}, WrongNonceError, id="no nonce"),
        pytest.param({"nonce": 1}, WrongNonceError, id="nonce of another type"),
        pytest.param({"sub": None}, InvalidTokenError, id="nobody"),
        pytest.param({"iat": None}, InvalidTokenError, id="no iat"),
        pytest.param({"exp": 1}, InvalidTokenError, id="too old"),
    ],
)
def test_id_token(
    provider: Provider, claims: dict[str, t.Any], error: type[Exception] | None
) -> None:
    with Issuer() as issuer:
        provider.metadata = {"jwks_uri": issuer.url}
        client = client_of(provider)
        given = {"iss": provider.issuer, "aud": "app", "nonce": "n", **claims}
        token = issuer.token(**given)

        if error is None:
            assert client.verify_id_token(token, nonce="n").sub == "ada"
        else:
            with pytest.raises(error):
                client.verify_id_token(token, nonce="n")


def test_id_token_of_a_clock_that_is_ahead(provider: Provider) -> None:
    with Issuer() as issuer:
        provider.metadata = {"jwks_uri": issuer.url}
        client = client_of(provider)
        ahead = int(time.time()) + 20
        token = issuer.token(iss=provider.issuer, aud="app", nonce="n", iat=ahead, nbf=ahead)

        assert client.verify_id_token(token, nonce="n", leeway=30).sub == "ada"
        with pytest.raises(InvalidTokenError):
            client.verify_id_token(token, nonce="n")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"issuer": "http://example.org"}, "issuer='http://example.org': expected an https URL"),
        ({"client_id": ""}, "client_id='': expected"),
        ({"http_timeout": 0}, "http_timeout=0: expected"),
    ],
)
def test_bad_configuration(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        GenericOIDCClientConfig(**{"issuer": "https://a", "client_id": "app", **config})


def test_secret_is_not_shown() -> None:
    assert "hunter2" not in repr(GenericOIDCClientConfig("https://a", "app", "hunter2"))
