from __future__ import annotations

import pytest

from fluxsync.sansio.cors import Cors, is_preflight

ORIGIN = "https://one.example"
CORS = Cors(frozenset([ORIGIN]), exposed=("x-total",))
WITH_COOKIES = Cors(frozenset([ORIGIN]), credentials=True)
OPEN = Cors(frozenset("*"), methods=("*",), headers=("*",))
VARY = ("Vary", "Origin")
PREFLIGHT_VARY = (
    "Vary",
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
)


@pytest.mark.parametrize(
    ("cors", "origin", "fields"),
    [
        pytest.param(
            CORS,
            ORIGIN,
            [
                ("Access-Control-Allow-Origin", ORIGIN),
                ("Access-Control-Expose-Headers", "x-total"),
            ],
            id="welcome",
        ),
        pytest.param(CORS, "", [], id="no origin"),
        pytest.param(CORS, "null", [], id="no page's"),
        pytest.param(CORS, "https://one.example:8443", [], id="other port"),
        pytest.param(CORS, "http://one.example", [], id="other scheme"),
        pytest.param(CORS, "https://one.example.evil.org", [], id="begins alike"),
        pytest.param(
            WITH_COOKIES,
            ORIGIN,
            [
                ("Access-Control-Allow-Origin", ORIGIN),
                ("Access-Control-Allow-Credentials", "true"),
            ],
            id="with cookies",
        ),
        pytest.param(OPEN, "https://any", [("Access-Control-Allow-Origin", "*")], id="any"),
        pytest.param(OPEN, "", [], id="any, without a page"),
    ],
)
def test_fields(cors: Cors, origin: str, fields: list[tuple[str, str]]) -> None:
    """A cache always learns that it's one origin's answer."""
    assert cors.fields(origin) == [VARY, *fields]


def test_preflight() -> None:
    answer = CORS.preflight(ORIGIN, "DELETE", "X-Request-ID, authorization")

    assert answer.refusal == ""
    assert answer.fields == [
        PREFLIGHT_VARY,
        ("Access-Control-Allow-Origin", ORIGIN),
        ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("Access-Control-Max-Age", "600"),
        (
            "Access-Control-Allow-Headers",
            "accept, accept-language, authorization, content-language, content-type, x-request-id",
        ),
    ]


def test_preflight_for_anything() -> None:
    """What is asked for is named, as ``*`` doesn't include Authorization."""
    answer = OPEN.preflight("https://any", "PURGE", "authorization, x-a")

    assert answer.refusal == ""
    assert ("Access-Control-Allow-Methods", "PURGE") in answer.fields
    assert ("Access-Control-Allow-Headers", "authorization, x-a") in answer.fields


@pytest.mark.parametrize(
    ("cors", "origin", "method", "names", "setting"),
    [
        pytest.param(CORS, "https://evil", "GET", "", "cors_allow_origins", id="origin"),
        pytest.param(CORS, ORIGIN, "PURGE", "", "cors_allow_methods", id="method"),
        pytest.param(CORS, ORIGIN, "put", "", "cors_allow_methods", id="methods have a case"),
        pytest.param(CORS, ORIGIN, "PUT", "x-a, accept", "cors_allow_headers", id="field"),
        pytest.param(OPEN, ORIGIN, "A\tB", "", "malformed", id="no method"),
        pytest.param(OPEN, ORIGIN, "PUT", "a b", "malformed", id="no field"),
    ],
)
def test_refused_preflight(cors: Cors, origin: str, method: str, names: str, setting: str) -> None:
    answer = cors.preflight(origin, method, names)

    assert setting in answer.refusal
    assert answer.fields[0] == PREFLIGHT_VARY
    assert not [name for name, _ in answer.fields if name.startswith("Access-Control-Allow-M")]


@pytest.mark.parametrize(
    ("method", "origin", "asked", "is_one"),
    [
        ("OPTIONS", ORIGIN, "PUT", True),
        ("OPTIONS", ORIGIN, "", False),
        ("OPTIONS", "", "PUT", False),
        ("GET", ORIGIN, "PUT", False),
    ],
)
def test_is_preflight(method: str, origin: str, asked: str, is_one: bool) -> None:
    assert is_preflight(method, origin, asked) is is_one
