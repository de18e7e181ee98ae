"""Requests to tunnels that make no sense: malformed, replayed, too large."""

from __future__ import annotations

import json
import typing as t

import pytest

from tests.support import frames, http
from tests.support.gateways import Gateway
from tests.support.tunnel import FIELD, MASK, PATH, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

KEY = "0123456789abcdef"
OPENING = b'{"protocols": ["streamlit"], "transport": "stream", "reason": ""}'


@pytest.fixture(autouse=True)
def upstream(shared_upstream: FakeStreamlit) -> FakeStreamlit:
    """What is behind it, with nothing recorded."""
    shared_upstream.reset()
    return shared_upstream


@pytest.fixture
def tunnel(once: Gateway) -> t.Iterator[Tunnel]:
    """An open tunnel, which still works in the end."""
    with Tunnel(once.port) as page:
        assert page.open().status == 200
        yield page
        assert page.echo("still there") == "still there"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sent=0&received=0&wait=0&limit=0",
        "sent=0&received=0&wait=0&limit=0&mode=websocket",
        "sent=0&received=0&wait=0&limit=0&mode=",
        "sent=0&received=0&wait=0&mode=stream",
        "sent=-1&received=0&wait=0&limit=0&mode=stream",
        "sent=0&received=+0&wait=0&limit=0&mode=stream",
        "sent=0&received=0&wait=1.5&limit=0&mode=stream",
        "sent=0&received=0&wait=inf&limit=0&mode=stream",
        "sent=0&received=0&wait=0&limit=1e9&mode=stream",
        "sent=0x10&received=0&wait=0&limit=0&mode=stream",
        f"sent={'9' * 4000}&received=0&wait=0&limit=0&mode=stream",
        "sent=9999999999999999&received=0&wait=0&limit=0&mode=stream",
        "sent=%00&received=0&wait=0&limit=0&mode=stream",
        "sent=%30&received=0&wait=0&limit=0&mode=stream",
        "sent=0&sent=0&received=0&wait=0&limit=0&mode=stream",
        "sent=0&received=0&wait=0&limit=0&mode=stream&more=1",
        "sent=0&received=0&wait=0&limit=0&mode=stream&",
        "sent=0;received=0;wait=0;limit=0;mode=stream",
        "SENT=0&received=0&wait=0&limit=0&mode=stream",
    ],
)
def test_malformed_exchange(tunnel: Tunnel, query: str) -> None:
    assert_problem(tunnel.request(f"exchange?{query}", b"x"), 400)


def test_body_of_what_waits(tunnel: Tunnel) -> None:
    assert_problem(tunnel.request(tunnel.query(wait=20), b"x"), 400)


@pytest.mark.parametrize(
    "query", ["", "key=", "key=short", f"key={'a' * 65}", f"key={KEY}&ack=2", f"key={KEY}%0d%0a"]
)
def test_malformed_probe(tunnel: Tunnel, query: str) -> None:
    assert_problem(tunnel.request(f"probe?{query}"), 400)


def opening(**values: object) -> bytes:
    return json.dumps({**json.loads(OPENING), **values}).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[" * 60_000, id="nested"),
        pytest.param(b'{"protocols":' * 4_000, id="nested objects"),
        pytest.param(b"9" * 60_000, id="long number"),
        pytest.param(OPENING[:-1], id="cut"),
        pytest.param(b"\0" + OPENING, id="nul"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="empty"),
        pytest.param(opening(protocols="streamlit"), id="a string"),
        pytest.param(opening(protocols=["a\r\nX-Remote-User: admin"]), id="CRLF"),
        pytest.param(opening(protocols=["a\0"]), id="protocol with nul"),
        pytest.param(opening(protocols=["a, b"]), id="two in one"),
        pytest.param(opening(protocols=[""]), id="empty protocol"),
        pytest.param(opening(protocols=["é"]), id="not ASCII"),
        pytest.param(opening(protocols=["a", "a"]), id="twice"),
        pytest.param(opening(protocols=[["a"]]), id="nested protocol"),
        pytest.param(opening(protocols=list("abcdefghi")), id="many protocols"),
        pytest.param(opening(protocols=["x" * 5000]), id="long protocol"),
        pytest.param(opening(transport="websocket"), id="no transport of a tunnel"),
        pytest.param(opening(transport=["stream"]), id="transport is a list"),
        pytest.param(opening(transport=None), id="no transport"),
        pytest.param(opening(reason="a\r\nX-Remote-User: admin"), id="reason with CRLF"),
        pytest.param(opening(reason="a" * 65), id="long reason"),
        pytest.param(opening(reason="websocket-refused\n"), id="reason with LF"),
        pytest.param(opening(reason={"a": 1}), id="reason is an object"),
    ],
)
def test_malformed_opening(tunnel: Tunnel, upstream: FakeStreamlit, body: bytes) -> None:
    """It doesn't get to Streamlit."""
    assert_problem(tunnel.request("open", body, [(FIELD, "new")]), 400)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("path", ["", "/", "/open/", "/OPEN", "/open%00", "/x/open"])
def test_other_paths(tunnel: Tunnel, path: str) -> None:
    fields = tunnel.fields(f"127.0.0.1:{tunnel.port}")
    assert_problem(http.request(tunnel.port, "POST", PATH + path, fields, b""), 404)


def test_positions_outside_of_the_window(tunnel: Tunnel) -> None:
    tunnel.echo("hello")
    tunnel.exchange()
    positions: list[dict[str, t.Any]] = [
        {"sent": tunnel.sent + 1},
        {"sent": 10**15 - 1},
        {"received": tunnel.received + 1},
        {"received": 10**15 - 1},
        {"received": tunnel.received - 1},
    ]
    for wrong in positions:
        body = frames.text("wrong").encode(MASK) if "sent" in wrong else b""
        assert_problem(tunnel.request(tunnel.query(**wrong), body), 409)
        assert_problem(tunnel.request(tunnel.query(**wrong, wait=20)), 409)
