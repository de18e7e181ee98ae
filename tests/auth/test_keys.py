from __future__ import annotations

import typing as t

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from fluxsync.auth import cached
from fluxsync.auth.keys import PUBLIC_KEY_ALGORITHMS, KeySet, UnknownKeyError, choose
from fluxsync.exceptions import ProviderError, ProviderTimeoutError
from tests.support.openid import Issuer


@pytest.fixture
def issuer() -> t.Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


RSA = {"kty": "RSA", "kid": "1"}
EC = {"kty": "EC", "crv": "P-256", "kid": "1"}


@pytest.mark.parametrize(
    ("keys", "kid", "algorithm", "found"),
    [
        pytest.param([RSA], "1", "RS256", True, id="by id"),
        pytest.param([RSA], None, "PS512", True, id="the only one"),
        pytest.param([EC, RSA], None, "RS256", True, id="the only one of its kind"),
        pytest.param([RSA, {**RSA, "kid": "2"}], None, "RS256", False, id="which"),
        pytest.param([RSA, RSA], "1", "RS256", True, id="published twice"),
        pytest.param([RSA], "2", "RS256", False, id="unknown id"),
        pytest.param([RSA], "1", "ES256", False, id="another kind"),
        pytest.param([{**EC, "crv": "P-384"}], "1", "ES256", False, id="another curve"),
        pytest.param([{**RSA, "use": "enc"}], "1", "RS256", False, id="for encryption"),
        pytest.param([{**RSA, "alg": "RS512"}], "1", "RS256", False, id="for another algorithm"),
        pytest.param(
            [{"kty": "oct", "k": "c2VjcmV0", "kid": "1"}], "1", "HS256", False, id="secret"
        ),
        pytest.param([RSA], "1", "none", False, id="no algorithm"),
    ],
)
def test_choose(keys: list[dict[str, str]], kid: str | None, algorithm: str, found: bool) -> None:
    assert (choose(keys, kid, algorithm) is not None) is found


def test_no_algorithm_of_secrets() -> None:
    assert not [name for name in PUBLIC_KEY_ALGORITHMS if name.startswith(("HS", "none"))]


def test_keys_are_fetched_once(issuer: Issuer) -> None:
    keys = KeySet(lambda: issuer.url, 5)

    assert keys.find("rsa", "RS256").key_id == "rsa"
    assert keys.find("ec", "ES256").key_id == "ec"
    for _ in range(3):
        with pytest.raises(UnknownKeyError):
            keys.find("other", "RS256")

    assert issuer.fetched == 1


def test_new_key_is_found(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "COOLDOWN", 0)
    keys = KeySet(lambda: issuer.url, 5)
    keys.find("rsa", "RS256")

    issuer.keys.append(issuer.public("rsa-2"))

    assert keys.find("rsa-2", "RS256").key_id == "rsa-2"


def test_private_part_of_a_key_is_not_used(issuer: Issuer) -> None:
    """PyJWT would have a private key then, with which nothing can be checked."""
    private = RSAAlgorithm.to_jwk(issuer.rsa_key, as_dict=True)
    issuer.keys = [{**private, "kid": "rsa"}]

    key = KeySet(lambda: issuer.url, 5).find("rsa", "RS256")

    assert isinstance(key.key, rsa.RSAPublicKey)


def test_weak_and_broken_keys(issuer: Issuer) -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    issuer.keys = [
        {**RSAAlgorithm.to_jwk(weak, as_dict=True), "kid": "weak"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "RSA", "kid": "text", "n": "x", "e": "x"},
        {"kty": "RSA", "kid": "number", "n": 1, "e": 1},
    ]
    keys = KeySet(lambda: issuer.url, 5)

    for kid in ("weak", "empty", "text", "number"):
        with pytest.raises(UnknownKeyError):
            keys.find(kid, "RS256")


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"keys": {}}', "<html>"])
def test_no_keys(issuer: Issuer, body: str) -> None:
    issuer.body = body

    with pytest.raises(ProviderError):
        KeySet(lambda: issuer.url, 5).find("rsa", "RS256")


def test_more_than_any_issuer_has(issuer: Issuer) -> None:
    issuer.body = '{"keys": []' + " " * (1 << 20) + "}"

    with pytest.raises(ProviderError, match=r"answers more than 1048576 bytes$"):
        KeySet(lambda: issuer.url, 5).find("rsa", "RS256")


def test_odd_members_are_no_keys(issuer: Issuer) -> None:
    issuer.keys = [t.cast("dict[str, t.Any]", 1), issuer.public("rsa")]

    assert KeySet(lambda: issuer.url, 5).find("rsa", "RS256").key_id == "rsa"


@pytest.mark.parametrize("status", [301, 404, 500])
def test_failing_server(issuer: Issuer, status: int) -> None:
    issuer.status = status

    with pytest.raises(ProviderError, match=f"answers {status}$"):
        KeySet(lambda: issuer.url, 5).find("rsa", "RS256")


def test_silent_server(silent: str) -> None:
    with pytest.raises(ProviderTimeoutError, match=r"doesn't answer within 0\.2 s$"):
        KeySet(lambda: silent, 0.2).find("rsa", "RS256")
