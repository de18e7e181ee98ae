from __future__ import annotations

import json
import typing as t

import pytest

from fluxsync.sansio.protection import DEFAULTS, Added, Protection, policy_defect

HSTS = "Strict-Transport-Security"


def names(fields: t.Iterable[tuple[str, str]]) -> list[str]:
    return [name for name, _ in fields]


def test_defaults() -> None:
    protection = Protection({})

    assert dict(protection.fields("https", "")) == DEFAULTS
    # RFC 6797 7.2
    assert names(protection.fields("http", "")) == [name for name in DEFAULTS if name != HSTS]


def test_own_fields() -> None:
    """They count in any case of their names, and an empty one takes a field away."""
    own = {"x-frame-options": "", "REFERRER-POLICY": "no-referrer", "X-Own": "a", HSTS: "max-age=1"}
    protection = Protection(own)

    fields = dict(protection.fields("https", ""))
    assert "X-Frame-Options" not in fields
    assert "Referrer-Policy" not in fields
    assert (fields["REFERRER-POLICY"], fields["X-Own"], fields[HSTS]) == (
        "no-referrer",
        "a",
        "max-age=1",
    )
    assert HSTS not in names(protection.fields("http", ""))


def test_policy_without_other_fields() -> None:
    protection = Protection(None, "script-src 'nonce-{nonce}'; base-uri 'none'")

    assert protection.has_nonce
    assert protection.fields("https", "abc") == (
        ("Content-Security-Policy", "script-src 'nonce-abc'; base-uri 'none'"),
    )
    assert not Protection(None, "default-src 'self'").has_nonce


def test_an_applications_own_word_counts() -> None:
    added = Added((("X-Frame-Options", "SAMEORIGIN"), ("X-Content-Type-Options", "nosniff")))

    assert added.to([("x-frame-options", "DENY")]) == [
        ("x-frame-options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
    ]


def test_one_word_about_other_origins() -> None:
    cors = (("Vary", "Origin"), ("Access-Control-Allow-Origin", "https://a"))
    fields = [
        ("access-control-allow-origin", "*"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Vary", "Accept-Encoding"),
    ]

    assert Added((), cors).to(fields) == [("Vary", "Accept-Encoding"), *cors]
    assert Added().to(fields) == fields


@pytest.mark.parametrize("vary", ["origin", "Accept, Origin", "*"])
def test_vary_is_not_repeated(vary: str) -> None:
    assert Added((), (("Vary", "Origin"),)).to([("Vary", vary)]) == [("Vary", vary)]


@pytest.mark.parametrize(
    "added", [Added(), Added((("A", "b"),), ()), Added((), (("Vary", "Origin"),))]
)
def test_travels_as_json(added: Added) -> None:
    assert Added.from_json(json.loads(json.dumps(added))) == added


@pytest.mark.parametrize(
    ("policy", "defect"),
    [
        pytest.param("", "", id="none"),
        pytest.param("default-src 'self'; ", "", id="end"),
        pytest.param("script-src 'nonce-{nonce}' https://a/b?c; sandbox", "", id="nonce"),
        pytest.param("a\r\nSet-Cookie: b", "one line", id="line break"),
        pytest.param(
            "default-src \u2018self\u2019", "one line of ASCII", id="typographer's quotes"
        ),
        pytest.param("default-src: 'self'", "directives such as", id="colon"),
        pytest.param("default-src 'self', img-src *", "directives such as", id="comma"),
        pytest.param("script-src {nonce}", "in quotes", id="no source"),
        pytest.param("script-src 'nonce-{request_id}'", "in quotes", id="somebody else's variable"),
    ],
)
def test_policy_defect(policy: str, defect: str) -> None:
    found = policy_defect(policy)

    assert defect in found
    assert bool(found) is bool(defect)
