from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import headers as _headers

NAMES = st.sampled_from([*_headers.HOP_BY_HOP, "Cookie", "X-A", "X-B", "Via", "date", "SERVER"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["", "a", "X-A, close", "x-b"])))


def test_from_environ() -> None:
    environ = {
        "HTTP_X_REQUEST_ID": "1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "",
        "wsgi.version": (1, 0),
        "REQUEST_METHOD": "GET",
    }

    assert _headers.from_environ(environ) == [
        ("X-Request-Id", "1"),
        ("Content-Type", "text/plain"),
    ]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Host", "HTTP_HOST"),
        ("x-request-id", "HTTP_X_REQUEST_ID"),
        ("Content-Type", "CONTENT_TYPE"),
        ("content-length", "CONTENT_LENGTH"),
    ],
)
def test_keys_and_names(name: str, key: str) -> None:
    assert _headers.environ_key(name) == key
    assert _headers.wire_name(key) == name.title()


@pytest.mark.parametrize("key", ["REMOTE_ADDR", "wsgi.input", "PATH_INFO", "SERVER_PORT"])
def test_keys_that_are_no_fields(key: str) -> None:
    assert _headers.wire_name(key) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("X-CSP-Nonce", True), ("", True), ("X CSP", False), ("X:", False), ("\xe4", False)],
)
def test_is_name(text: str, expected: bool) -> None:
    assert _headers.is_name(text) is expected


def test_tokens() -> None:
    assert _headers.tokens(" Keep-Alive,, Upgrade ,") == ["keep-alive", "upgrade"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("ACCEPT", "a, b", id="repeated"),
        pytest.param("x-empty", "", id="empty"),
        pytest.param("x-missing", "", id="missing"),
    ],
)
def test_get(name: str, value: str) -> None:
    headers = [("Accept", "a"), ("X-Empty", ""), ("accept", "b")]

    assert _headers.get(headers, name) == value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([], True, id="none"),
        pytest.param([("X-A", "b\tc \xe9\x85"), ("!#$%&'*+-.^_`|~1a", "")], True, id="odd"),
        pytest.param([("X-A", "b\r\n c")], False, id="folded"),
        pytest.param([("X-A", "b\nX-C: d")], False, id="LF"),
        pytest.param([("X-A", "b\rX-C: d")], False, id="CR"),
        pytest.param([("X-A", "b\0")], False, id="NUL"),
        pytest.param([("X-A", "\x7f")], False, id="DEL"),
        pytest.param([("X A", "b")], False, id="space in a name"),
        pytest.param([("X-A", "b"), ("X(A)", "b")], False, id="parentheses in a name"),
        pytest.param([("X-\xe9", "b")], False, id="name over 0x7f"),
    ],
)
def test_are_wellformed(fields: list[tuple[str, str]], expected: bool) -> None:
    assert _headers.are_wellformed(fields) is expected


def end_to_end(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    connection = _headers.get(fields, "connection")
    return _headers.without(fields, _headers.HOP_BY_HOP, connection)


def test_end_to_end() -> None:
    headers = [
        ("Connection", "close, X-Private"),
        ("connection", "x-other"),
        ("X-Private", "1"),
        ("X-Other", "1"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Close", "an end-to-end field, were it not nominated"),
    ]

    assert end_to_end(headers) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@pytest.mark.parametrize("connection", ["", "close", "Keep-Alive"])
def test_usual_connection_nominates_nothing(connection: str) -> None:
    fields = [("ETag", "1"), ("X-A", "2")]

    assert _headers.without(fields, frozenset(("x-a",)), connection) == [("ETag", "1")]


@given(FIELDS)
def test_what_goes_on_is_end_to_end_and_in_order(fields: list[tuple[str, str]]) -> None:
    kept = end_to_end(fields)

    nominated = {n for k, v in fields if k.lower() == "connection" for n in v.lower().split(", ")}
    for field in fields:
        hop = field[0].lower() in _headers.HOP_BY_HOP | nominated
        assert kept.count(field) == (0 if hop else fields.count(field))
    left = iter(fields)
    assert all(field in left for field in kept)
    assert end_to_end(kept) == kept


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        pytest.param(["Date", "Server", "Content-Length"], ["Content-Length"], id="length"),
        pytest.param(["Transfer-Encoding", "content-length", "ETag"], ["ETag"], id="chunked"),
    ],
)
def test_to_client(headers: list[str], names: list[str]) -> None:
    assert [name for name, _ in _headers.to_client((name, "1") for name in headers)] == names


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a=1; own=2; b=3", [("Cookie", "a=1; b=3")], id="in the middle"),
        pytest.param("own=2;own=3", [], id="nothing left"),
        pytest.param("a=1;b=2", [("Cookie", "a=1;b=2")], id="not there, untouched"),
        pytest.param("my-own=1", [("Cookie", "my-own=1")], id="end of another name"),
    ],
)
def test_without_cookie(value: str, expected: list[tuple[str, str]]) -> None:
    assert _headers.without_cookie([("Cookie", value)], "own") == expected


def test_without_cookie_looks_into_cookies_only() -> None:
    headers = [("X-Note", "own=1; a=2")]

    assert _headers.without_cookie(headers, "own") == headers


@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param("a=1; own=x=y", "x=y", id="equals sign in the value"),
        pytest.param("my-own=1", "", id="end of another name"),
        pytest.param("own", "", id="no value"),
        pytest.param("", "", id="no cookies"),
    ],
)
def test_cookie_value(header: str, value: str) -> None:
    assert _headers.cookie_value(header, "own") == value
