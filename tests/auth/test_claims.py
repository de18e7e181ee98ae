from __future__ import annotations

import re
import subprocess
import sys
import time
import typing as t

import jwt
import pytest

from fluxsync.auth import StandardClaims, issue_hs256_access_token
from fluxsync.auth.claims import check_names, check_secret

SECRET = "s" * 32
ARGUMENTS: dict[str, t.Any] = {
    "subject": "ada",
    "issuer": "me",
    "audience": "api",
    "secret": SECRET,
    "ttl_seconds": 60,
}


def test_token() -> None:
    token = issue_hs256_access_token(**ARGUMENTS, extra_claims={"roles": ["admin"]})

    claims = jwt.decode(token, SECRET, ["HS256"], audience="api", issuer="me")
    assert claims["sub"] == "ada"
    assert claims["roles"] == ["admin"]
    assert claims["exp"] - claims["iat"] == 60
    assert abs(claims["iat"] - time.time()) < 60


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_registered_claims_are_not_for_others(name: str) -> None:
    with pytest.raises(ValueError, match=f"^extra_claims has '{name}', "):
        issue_hs256_access_token(**ARGUMENTS, extra_claims={name: 1})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"secret": "hunter2"}, "secret='***' has 7 bytes: expected 32 or more"),
        ({"subject": ""}, "subject='': expected a text"),
        ({"issuer": ""}, "issuer='': expected a text"),
        ({"audience": []}, "audience=[]: expected a text"),
        ({"ttl_seconds": 0}, "ttl_seconds=0: expected a number over 0"),
        ({"ttl_seconds": float("nan")}, "ttl_seconds=nan: expected"),
    ],
)
def test_bad_arguments(changes: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as e:
        issue_hs256_access_token(**{**ARGUMENTS, **changes})

    assert "hunter2" not in str(e.value)


def test_claims() -> None:
    claims = StandardClaims.model_validate(
        {"sub": "ada", "get": "x", "a.b": 1, "realm_access": {"roles": ["x"]}}
    )

    assert claims.get("sub") == "ada"
    assert claims.get("a.b") == 1
    assert claims.get("realm_access.roles") == ["x"]
    assert claims.get("realm_access.roles.x") is None
    assert claims.get("absent") is None
    assert claims.get("scope") is None


@pytest.mark.parametrize("missing", ["jwt", "cryptography"])
def test_missing_extra(missing: str) -> None:
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules[{missing!r}] = None\n"
            "from fluxsync.auth import *\n"
            "JWTBearer(JWTAuthConfig('a', 'b', jwks_url='https://a'))",
        ],
        capture_output=True,
        text=True,
    ).stderr

    assert told.splitlines()[-1] == (
        f"RuntimeError: tokens need the package {missing}, which isn't installed: "
        "pip install 'fluxsync[auth]'"
    )


@pytest.mark.parametrize("secret", [b"x" * 40, None, 5])
def test_secret_of_another_type(secret: t.Any) -> None:
    with pytest.raises(ValueError, match=r"^name is of type \w+: expected a text$"):
        check_secret("name", secret)


@pytest.mark.parametrize("names", [(), ("",), (None,), (["a", "b"],), ("a b",)])
def test_names_that_nobody_has(names: t.Any) -> None:
    with pytest.raises(ValueError, match=r"^scopes=.*: expected one or more, each a text"):
        check_names("scopes", names)
    check_names("roles", ("a b", "c"))
