from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry.redaction import (
    redact_parameter,
    redact_path,
    redact_paths,
    redact_query,
    redact_text,
)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("page=2&q=token", "page=2&q=token", id="nothing secret"),
        pytest.param("token=x", "token=***", id="alone"),
        pytest.param("a=1&access_token=x&b=2", "a=1&access_token=***&b=2", id="in the middle"),
        pytest.param("user[Password]=x", "user[Password]=***", id="part of a name"),
        pytest.param("code=x&state=y", "code=***&state=***", id="sign-in"),
        pytest.param("zip_code=1&key_figure=2", "zip_code=1&key_figure=2", id="similar names"),
        pytest.param("connect_sid=x", "connect_sid=***", id="session"),
        pytest.param("a=b;sig=x", "a=b;sig=***", id="old separator"),
        pytest.param("token=x;y#z=&a=1", "token=***&a=1", id="value to its end"),
        pytest.param("token=&a=1", "token=&a=1", id="no value"),
        pytest.param("next=/a?token=x", "next=/a?token=***", id="query within"),
        pytest.param("%74oken=x&a%5Bsid%5d=y", "%74oken=***&a%5Bsid%5d=y", id="encoded name"),
        pytest.param("p%2b=1%2B2&s%69d=x", "p%2b=1%2B2&s%69d=***", id="encoded whole name"),
        pytest.param(f"cart={'x' * 43}.{'-' * 43}&a=1", "cart=***&a=1", id="id of a URL session"),
        pytest.param(f"a={'x' * 43}.{'-' * 44}", f"a={'x' * 43}.{'-' * 44}", id="longer"),
    ],
)
def test_redact_query(query: str, expected: str) -> None:
    assert redact_query(query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ""),
        ("s.d=x", "s.d=***"),
        ("sxd=x&as.d=x", "sxd=x&as.d=x"),
        ("a=1&s.d=x;y&s.d=z&b=", "a=1&s.d=***&s.d=***&b="),
    ],
)
def test_redact_parameter(query: str, expected: str) -> None:
    assert redact_parameter(query, "s.d") == expected


ID = "2f6c1f0e-8c1b-4f6e-9d2a-0b7f5a1c3e4d"
TOKEN = "Zk3xQ9vT1bW8nL5r"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/", "/", id="root"),
        pytest.param("/api/tokens/17/uses", "/api/tokens/17/uses", id="number of a record"),
        pytest.param(f"/api/orders/{ID}", f"/api/orders/{ID}", id="id of a record"),
        pytest.param("/password/reset-instructions", "/password/reset-instructions", id="words"),
        pytest.param(f"/key/{TOKEN[1:]}", f"/key/{TOKEN[1:]}", id="too short"),
        pytest.param(f"/key/{TOKEN}", "/key/***", id="shortest"),
        pytest.param(f"/api/Reset-Password/u/{TOKEN}", f"/api/Reset-Password/u/{TOKEN}", id="far"),
        pytest.param(f"/api/access-tokens/{TOKEN}/x", "/api/access-tokens/***/x", id="name"),
        pytest.param(f"/magic-link/{TOKEN}", "/magic-link/***", id="link in an e-mail"),
        pytest.param(f"/x/sessions/{ID}", "/x/sessions/***", id="session"),
        pytest.param(
            f"/_stcore/upload_file/{ID}/{TOKEN}", f"/_stcore/upload_file/***/{TOKEN}", id="upload"
        ),
        pytest.param("/a/eyJhbGciOiJI.eyJzdWIiOiIx.a-_b/c", "/a/***/c", id="JWT"),
        pytest.param(f"/cart/{'x' * 43}.{'-' * 43}", "/cart/***", id="id of a URL session"),
        pytest.param("/a;token=x/b", "/a;token=***", id="parameter"),
        pytest.param("/fetch/https://u:x@h/a", "/fetch/https://***@h/a", id="URL"),
    ],
)
def test_redact_path(path: str, expected: str) -> None:
    assert redact_path(path) == expected
    assert redact_path(expected) == expected


def test_redact_paths() -> None:
    text = f"no page at /magic/{TOKEN}/x. Remove /magic/{TOKEN}, or 2 of /magic/words and more"

    assert redact_paths(text) == text.replace(TOKEN, "***")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("page 2 of 3: done", "page 2 of 3: done", id="nothing secret"),
        pytest.param("DB_PASSWORD=x y", "DB_PASSWORD=*** y", id="variable"),
        pytest.param("{'api_key': 'x', 'a': 'b'}", "{'api_key': '***', 'a': 'b'}", id="dict"),
        pytest.param('"secret": "x y\\" z", "a"', '"secret": "***", "a"', id="JSON"),
        pytest.param("password='x y", "password='***'", id="quote that isn't closed"),
        pytest.param('"api_key": ["x", "y"], "a"', '"api_key": ***, "a"', id="list"),
        pytest.param("credentials={'a': 'x', 'b': 'y'} z", "credentials=*** z", id="object"),
        pytest.param("X-Api-Key: x", "X-Api-Key: ***", id="header"),
        pytest.param("error: --auth.token=x", "error: --auth.token=***", id="option"),
        pytest.param("Authorization: Bearer abcdef.g", "Authorization: ***", id="bearer"),
        pytest.param("basic YWRhOnB3", "basic ***", id="basic"),
        pytest.param("Proxy-Authorization: Digest a, b", "Proxy-Authorization: ***", id="proxy's"),
        pytest.param("Cookie: a=b; c=d\nHost: h", "Cookie: ***\nHost: h", id="cookies"),
        pytest.param("set-cookie: a=b; Path=/", "set-cookie: ***", id="cookie"),
        pytest.param("{'Cookie': 'a=b; c', 'x': 1}", "{'Cookie': '***', 'x': 1}", id="headers"),
        pytest.param("[('Authorization', 'A b c')]", "[('Authorization', '***')]", id="pairs"),
        pytest.param("(b'cookie', b'a=b; c')", "(b'cookie', b'***')", id="pairs of bytes"),
        pytest.param("[(b'x-api-key', b'x')]", "[(b'x-api-key', b'***')]", id="bytes"),
        pytest.param("{'HTTP_COOKIE': 'a=b; c'}", "{'HTTP_COOKIE': '***'}", id="environ"),
        pytest.param("HTTP_AUTHORIZATION=x y", "HTTP_AUTHORIZATION=*** y", id="variable of CGI"),
        pytest.param("at /x?code=a&b=1&state=c", "at /x?code=***&b=1&state=***", id="login"),
        pytest.param("code=1, state=RUNNING", "code=1, state=RUNNING", id="other codes"),
        pytest.param("it is eyJhbGciOiJI.eyJzdWIiOiIx.a-_b", "it is ***", id="JWT"),
        pytest.param("https://tok@h/a", "https://***@h/a", id="name in a URL"),
        pytest.param("pg://u:a/b@h/d", "pg://***@h/d", id="password with a slash"),
        pytest.param("sid=x connect_sid=y", "sid=*** connect_sid=***", id="sessions"),
        pytest.param(f"s={'x' * 43}.{'-' * 43} y", "s=*** y", id="id of a URL session"),
        pytest.param("token=*** Cookie: ***", "token=*** Cookie: ***", id="masked already"),
        pytest.param("redis://:x@h/0", "redis://***@h/0", id="password in a URL"),
        pytest.param("pg://u:x@y@h/d", "pg://***@h/d", id="password with an at sign"),
        pytest.param("http://h:80/a@b", "http://h:80/a@b", id="URL without a password"),
        pytest.param("GET /?a=1&token=x&b=2", "GET /?a=1&token=***&b=2", id="query"),
        pytest.param(f'"PUT /sid/{TOKEN}?a HTTP/1.1"', '"PUT /sid/***?a HTTP/1.1"', id="request"),
        pytest.param(f"Exception on /sid/{TOKEN} [GET]", "Exception on /sid/*** [GET]", id="Flask"),
        pytest.param(f"in /auth/{TOKEN}.py, line", f"in /auth/{TOKEN}.py, line", id="file"),
    ],
)
def test_redact_text(text: str, expected: str) -> None:
    assert redact_text(text) == expected


SECRET = "S3CR3T"
NOISE = st.text(st.characters(exclude_characters="\"'\\", codec="utf-8"))
QUERY_NAMES = st.sampled_from(
    ["token", "ID_TOKEN", "x[password]", "apikey", "api-key", "code", "state", "sid", "jwt"]
)
TEXTS = st.sampled_from(
    [
        "password={}",
        "my.client_secret : {}",
        '"api_key": "{}"',
        "'db-password':'a b {}'",
        "TOKEN='{}",
        "Bearer {}",
        "Basic {}==",
        "postgresql://user:{}@host/db",
        "https://:{}@host",
    ]
)


@given(st.lists(NOISE), st.lists(NOISE), QUERY_NAMES)
def test_no_secret_survives_in_a_query(before: list[str], after: list[str], name: str) -> None:
    query = "&".join([*before, f"{name}={SECRET}", *after])

    assert SECRET not in redact_query(query)


@given(st.text("a:/=?&@'\",; token***\n[]{}") | st.text())
def test_twice_is_once(text: str) -> None:
    """What is masked already stays, as most lines pass here more than once."""
    once = redact_text(text)

    assert redact_text(once) == once


@given(NOISE, NOISE, TEXTS)
def test_no_secret_survives_in_a_text(before: str, after: str, text: str) -> None:
    line = f"{before} {text.format(SECRET)} {after}"

    assert SECRET not in redact_text(line)


@pytest.mark.parametrize(
    "text",
    [
        *("token-", "token", "a-", "a", "a://", "=", "'", "bearer ", "a://b:", "cookie: '"),
        *("cookie", "authorization:", "eyJaaaaaaaa.", "http_", "proxy-", "?code=", "'token','"),
        *(
            "eyJ-",
            "?_",
            "?%_",
            "%",
            "&%=%",
            "/token",
            "/token/",
            "/_",
            "/sid/0123456789abcdef",
            "PUT /sid",
        ),
    ],
)
def test_time_is_no_weapon(text: str) -> None:
    """Clients choose what's redacted; the time has to grow with its length, not its square."""
    begin = time.thread_time()  # of this thread alone, however busy the machine is
    assert redact_query(text * 50_000)
    assert redact_path("/" + text * 50_000)
    assert redact_paths("/" + text * 50_000)
    assert redact_text(text * 50_000 + "=")  # there's nothing to look for without a sign
    assert time.thread_time() - begin < 10
