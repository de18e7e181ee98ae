from __future__ import annotations

import typing as t

import pytest

from fluxsync import ConfigError, FluxSyncSettings

ON = {"enable_security_headers": True}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        pytest.param(
            "cors_allow_origins",
            "https://A.example:443/, http://b:80, http://[::1]:8080",
            ("https://a.example", "http://b", "http://[::1]:8080"),
            id="origins as browsers write them",
        ),
        pytest.param("cors_allow_origins", "*", ("*",), id="any origin"),
        pytest.param("cors_allow_methods", "get,PATCH", ("GET", "PATCH"), id="methods"),
        pytest.param("cors_allow_headers", "X-A, x-b", ("x-a", "x-b"), id="fields"),
        pytest.param(
            "allowed_hosts",
            "App.example.org, .example.com, 10.0.0.1, [::1]",
            ("app.example.org", ".example.com", "10.0.0.1", "[::1]"),
            id="hosts",
        ),
        pytest.param(
            "content_security_policy",
            " script-src 'nonce-{nonce}' ",
            "script-src 'nonce-{nonce}'",
            id="policy",
        ),
    ],
)
def test_value(name: str, value: str, kept: object) -> None:
    values: dict[str, t.Any] = {name: value}

    assert getattr(FluxSyncSettings(**values), name) == kept


def test_header_table() -> None:
    settings = FluxSyncSettings(**ON, security_headers='{"X-Frame-Options": "", "X-A": " b "}')

    assert settings.security_headers == {"X-Frame-Options": "", "X-A": "b"}


ORIGINS = r"\* or origins such as https://example.org, separated by commas"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cors_allow_origins", "https://a/x", ORIGINS),
        ("cors_allow_origins", "https://a?b", ORIGINS),
        ("cors_allow_origins", "https://u@a", ORIGINS),
        ("cors_allow_origins", "https://*.example.org", ORIGINS),
        ("cors_allow_origins", "https://a:b", ORIGINS),
        ("cors_allow_origins", "https://a:65536", ORIGINS),
        ("cors_allow_origins", "https://a\r\nb", ORIGINS),
        ("cors_allow_origins", "a.example", ORIGINS),
        ("cors_allow_origins", "null", ORIGINS),
        ("cors_allow_origins", "*, https://a", f"either {ORIGINS}"),
        ("cors_allow_methods", "GET POST", r"names, separated by commas, or \*"),
        ("cors_allow_headers", ["a:"], r"names, separated by commas, or \*"),
        ("cors_max_age_s", 86401, "an integer from 0 to 86400"),
        ("allowed_hosts", "http://a", "host names without scheme and port"),
        ("allowed_hosts", "a:80", "host names without scheme and port"),
        ("allowed_hosts", "*", "host names without scheme and port"),
        ("content_security_policy", "a\r\nSet-Cookie: b", "one line of ASCII"),
        ("content_security_policy", "script-src {nonce}", "no braces but those of"),
        ("security_headers", "x", "a JSON object"),
        ("security_headers", "[]", "a JSON object"),
        ("security_headers", {"X A": "b"}, "names of header fields, and not 'X A'"),
        ("security_headers", {"": "b"}, "names of header fields, and not ''"),
        ("security_headers", {"X-A": "b\r\nc"}, "one line of ASCII for X-A"),
        ("security_headers", {"X-A": "\u00e9"}, "one line of ASCII for X-A"),
        ("security_headers", {"X-A": 1}, "one line of ASCII for X-A"),
        ("security_headers", {"X-A": "b", "x-a": "c"}, "each field once"),
        ("security_headers", {"Content-Length": "1"}, "other fields than Content-Length"),
        ("security_headers", {"Access-Control-Allow-Origin": "*"}, "other fields than Access-"),
        ("security_headers", {"Content-Security-Policy": "a"}, "which is content_security_policy"),
        ("gateway_queue_timeout_s", 0, "a number over 0"),
        ("gateway_queue_size", -1, "an integer from 0 to 4096"),
        ("api_max_request_body_bytes", -1, "an integer from 0"),
    ],
)
def test_wrong_value(name: str, value: object, expected: str) -> None:
    """One line, of the setting and what it should be."""
    values: dict[str, t.Any] = {name: value}

    with pytest.raises(ConfigError, match=f"^{name}=.* from code: expected .*{expected}") as caught:
        FluxSyncSettings(**ON, **values)
    assert "\n" not in str(caught.value)
    assert "\r" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"cors_allow_origins": "*"},
            r"cors_allow_origins=.*names instead of \*",
            id="any origin",
        ),
        pytest.param(
            {"cors_allow_origins": "https://a", "cors_allow_headers": "*"},
            r"cors_allow_headers=.*names instead of \*",
            id="any field",
        ),
        pytest.param({}, "cors_allow_credentials=True .*is empty", id="nobody"),
    ],
)
def test_cookies_are_not_for_anybody(values: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FluxSyncSettings(cors_allow_credentials=True, **values)


def test_fields_that_nobody_would_send() -> None:
    with pytest.raises(ConfigError, match=r"security_headers=.*enable_security_headers is false"):
        FluxSyncSettings(security_headers={"X-A": "b"})
