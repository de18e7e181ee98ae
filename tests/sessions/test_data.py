from __future__ import annotations

import contextlib
import decimal
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fluxsync.exceptions import SessionError
from fluxsync.sessions.data import decode, encode, refuse_credentials

scalars = (
    some.none()
    | some.booleans()
    | some.integers(-(2**8191), 2**8191)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text()
    | some.dates()
    | some.datetimes()
    | some.times()
    | some.decimals(allow_nan=False)
)
values = some.recursive(
    scalars, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=10
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@given(some.dictionaries(some.text(), values))
def test_decode_undoes_encode(data: dict[str, t.Any]) -> None:
    text = encode(data, 10**9)
    assert decode(text) == data
    assert text.isascii()


@given(some.text() | some.binary())
def test_decode_refuses_the_rest(text: str | bytes) -> None:
    """It returns an object, or raises what is documented."""
    with contextlib.suppress(ValueError):
        assert isinstance(decode(text), dict)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        "{",
        '{"__fluxsync__": ["date", "x"]}',
        '{"a": {"__fluxsync__": ["decimal", "x"]}}',
        '{"a": {"__fluxsync__": ["os", "x"]}}',
        '{"a": {"__fluxsync__": 1}}',
        '{"a": {"__fluxsync__": ["date", 1]}}',
        '{"a": {"__fluxsync__": [["date"], 1]}}',
        "[" * 100_000,
    ],
)
def test_decode_refuses(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # of many sources
        decode(text)


def cycle() -> dict[str, t.Any]:
    data: dict[str, t.Any] = {}
    data["a"] = data
    return data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"upload": [b""]}, r"\['upload'\]\[0\] is of type builtins.bytes", id="bytes"),
        pytest.param({"a": {1}}, "is of type builtins.set", id="set"),
        pytest.param({"a": float("nan")}, "finite number", id="nan"),
        pytest.param({"a": -(10**5000)}, "integer below", id="large integer"),
        pytest.param({"a": {None: 1}}, "has the key None: expected texts", id="key"),
        pytest.param({"a": {"__fluxsync__": 1}}, "expected another name", id="our name"),
        pytest.param(cycle(), "without cycles", id="cycle"),
        pytest.param({"small": 1, "large": "é" * 100_000}, "'large' is the largest", id="size"),
    ],
)
def test_encode_refuses(data: dict[str, t.Any], expected: str) -> None:
    with pytest.raises(SessionError, match=expected) as found:
        encode(data)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "data",
    [
        {"access_token": "s3cret"},
        {"accessToken": "s3cret"},
        {"user": {"api-key": "s3cret"}},
        {"users": [{"PASSWORD": "s3cret"}]},
        {"credentials": {"a": ["s3cret"]}},
        {"cookies": ("s3cret",)},
        {"secret": b"s3cret"},
        {"header": "Bearer s3cret"},
        {"header": JWT},
        {"list": [JWT]},
        cycle(),
    ],
)
def test_credentials_are_refused(data: dict[str, t.Any]) -> None:
    with pytest.raises(SessionError) as found:
        refuse_credentials(data)
    assert "s3cret" not in str(found.value)
    assert "eyJ" not in str(found.value)


@pytest.mark.parametrize(
    "data",
    [
        {"max_tokens": 256, "has_password": False, "token": None, "password": ""},
        {
            "cookies": [],
            "price": decimal.Decimal(1),
            "name": "Ada",
            "note": "eyJ is how they begin",
        },
    ],
)
def test_others_are_not(data: dict[str, t.Any]) -> None:
    refuse_credentials(data)
