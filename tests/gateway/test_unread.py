"""With gunicorn's own parser and response; tests/live/test_protection.py has it in a worker."""

from __future__ import annotations

import typing as t

import pytest

from fluxsync.gateway.unread import close_unread, has_body
from tests.support.inprocess import Site
from tests.support.parsed import CHUNKED, LENGTH, Client


@pytest.mark.parametrize(
    ("sent", "read", "closes"),
    [
        pytest.param(LENGTH % 5 + b"abcde", 0, False, id="all has come"),
        pytest.param(LENGTH % 5 + b"abcde", 5, False, id="all is read"),
        pytest.param(LENGTH % 9 + b"abcde", 0, True, id="some is to come"),
        pytest.param(LENGTH % 2000 + b"x" * 1500, 3, True, id="some is read"),
        pytest.param(b"\r\n", 0, False, id="no body"),
        pytest.param(CHUNKED + b"5\r\nabcde\r\n0\r\n\r\n", 99, False, id="all chunks are read"),
        pytest.param(CHUNKED + b"5\r\nabcde\r\n", 0, True, id="chunks are to come"),
    ],
)
def test_what_is_to_come(client: Client, sent: bytes, read: int, closes: bool) -> None:
    server = client.send(sent)
    server.environ["wsgi.input"].read(read)

    close_unread(server.environ, server.response.start_response)
    assert server.closes is closes


@pytest.mark.parametrize("path", [b"/api/nothing", b"/__fluxsync/none", b"/echo"])
@pytest.mark.parametrize("rest", [LENGTH % 900_000, CHUNKED + b"fffff\r\n"])
def test_refusals(client: Client, path: bytes, rest: bytes) -> None:
    """Whoever refuses it."""
    server = client.send(rest + b"abc", path)
    with Site(allowed_hosts="example.org") as site:
        body = site.gateway(server.environ, server.response.start_response)
        list(body)
        t.cast("t.Any", body).close()

    assert server.closes
    assert ("Connection", "close") in [
        tuple(line.split(": ")) for line in map(str.strip, server.response.default_headers()[1:])
    ]


def test_requests_without_a_body() -> None:
    assert not has_body({})
    assert not has_body({"CONTENT_LENGTH": ""})
    assert has_body({"CONTENT_LENGTH": "1"})
    assert has_body({"HTTP_TRANSFER_ENCODING": "chunked"})
    close_unread({}, lambda *args: None)  # type: ignore[arg-type] # another server's
