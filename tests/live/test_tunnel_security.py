"""What foreign pages and other browsers get of tunnels, and what Streamlit gets of forgeries."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.support import frames, http
from tests.support.gateways import Gateway
from tests.support.tunnel import FIELD, PATH, Tunnel, assert_problem
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

KEY = "0123456789abcdef"
PROBE, EXCHANGE = f"probe?key={KEY}&ack=1", "exchange?sent=0&received=0&wait=0&limit=9&mode=stream"
VERBS = (PROBE, "open", EXCHANGE, "close")
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


def without_ids(response: http.Response) -> tuple[object, ...]:
    """Return what two answers to the same request have in common."""
    varying = ("date", "x-request-id")
    fields = [field for field in response.headers if field[0].lower() not in varying]
    return response.status, fields, response.body


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "field",
    [
        pytest.param((FIELD, ""), id="no field"),
        pytest.param((FIELD, "short"), id="short"),
        pytest.param((FIELD, "x" * 65), id="long"),
        pytest.param((FIELD, "../../../../etc/passwd"), id="characters"),
        pytest.param((FIELD, "newnewnewnewnew, newnewnewnewnew"), id="two"),
        pytest.param(("Origin", "https://evil.example"), id="foreign"),
        pytest.param(("Origin", "null"), id="null"),
        pytest.param(("Origin", "http://127.0.0.1:1"), id="port"),
    ],
)
def test_foreign_pages(
    tunnel: Tunnel, upstream: FakeStreamlit, verb: str, field: tuple[str, str]
) -> None:
    """They open, feed, read and close nothing."""
    if field[0] == "Origin" and verb in (PROBE, "open"):
        response = tunnel.request(verb, OPENING, [(FIELD, "new"), field])
    else:
        response = tunnel.request(verb, OPENING if verb == "open" else b"", [field])

    assert_problem(response, 403)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE"])
def test_other_methods(tunnel: Tunnel, verb: str, method: str) -> None:
    """A preflight in particular: nobody says yes."""
    asked = [
        *tunnel.fields(f"127.0.0.1:{tunnel.port}"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", FIELD.lower()),
    ]
    response = http.request(tunnel.port, method, f"{PATH}/{verb}", asked)

    assert_problem(response, 405)
    assert response.get("Allow") == "POST"
    assert not [name for name, _ in response.headers if name.lower().startswith("access-control")]


def test_id_of_nothing(tunnel: Tunnel) -> None:
    for name in ("new", "x" * 32):
        response = tunnel.request(EXCHANGE, b"", [(FIELD, name)])
        assert_problem(response, 403 if name == "new" else 404)


@pytest.mark.parametrize("verb", [EXCHANGE, "close"])
def test_another_browser(once: Gateway, tunnel: Tunnel, verb: str) -> None:
    """It gets the answer to a tunnel that never was, to the byte."""
    tunnel.echo("hello")
    with Tunnel(once.port) as other:
        other.open()
        assert other.cookie != tunnel.cookie
        foreign = other.request(verb, b"", [(FIELD, tunnel.id)])
        unknown = other.request(verb, b"", [(FIELD, tunnel.id[::-1])])
    nobody = tunnel.request(verb, b"", [("Cookie", "")])

    assert_problem(foreign, 404)
    assert without_ids(foreign) == without_ids(unknown) == without_ids(nobody)


def test_ended_tunnel(once: Gateway, tunnel: Tunnel) -> None:
    """It's as unknown as one that never was."""
    with Tunnel(once.port) as other:
        other.open()
        other.request("close")
        ended = other.request(EXCHANGE)
        unknown = other.request(EXCHANGE, b"", [(FIELD, "x" * 32)])

    assert_problem(ended, 404)
    assert without_ids(ended) == without_ids(unknown)


def test_browser_without_cookies(once: Gateway) -> None:
    """Its tunnel is bound to that."""
    with Tunnel(once.port) as page:
        page.open()
        kept, page.cookie = page.cookie, ""
        assert page.echo("hello") == "hello"
        page.cookie = kept
        assert page.exchange().status == 404
        page.cookie = ""


def test_cookie(once: Gateway) -> None:
    """The browser gets one, once."""
    with Tunnel(once.port) as first, Tunnel(once.port) as second:
        given = first.open().get("Set-Cookie")
        value = r"[\w-]{24}"
        assert re.fullmatch(f"fluxsync_browser={value}; Path=/; HttpOnly; SameSite=Lax", given)
        second.cookie = first.cookie
        assert "Set-Cookie" not in second.open()
        assert second.echo("hello") == "hello"
        assert first.id != second.id
    with Tunnel(once.port, headers=[("Cookie", "fluxsync_browser=short")]) as third:
        assert third.open().get("Set-Cookie")


def test_answers_are_neither_kept_nor_compressed(once: Gateway, tunnel: Tunnel) -> None:
    coding = ("Accept-Encoding", "gzip, br, zstd, deflate")
    tunnel.send(frames.text("x" * 5000))
    with tunnel.begin(tunnel.query(wait=20, mode="stream"), b"", [coding]) as stream:
        answers = [stream.read_head()]
    with Tunnel(once.port) as other:
        answers.append(other.request("open", OPENING, [coding]))
    answers.append(tunnel.request(tunnel.query(), b"", [coding]))
    answers.append(tunnel.request(PROBE, b"", [coding]))
    tunnel.receive()

    for answer in answers:
        assert answer.status == 200
        assert answer.get("Cache-Control") == "no-store, no-transform"
        assert answer.get("X-Accel-Buffering") == "no"
        assert answer.get("X-Content-Type-Options") == "nosniff"
        assert answer.get(FIELD) == "1"
        assert answer.get("X-Request-Id")
        assert "Content-Encoding" not in answer
        assert "ETag" not in answer


def test_log(once: Gateway, tunnel: Tunnel) -> None:
    """It has the requests, and nothing with which others could send any."""
    start = len(once.lines)
    tunnel.echo("hello")
    with tunnel.hold("stream") as stream:
        stream.read_head()
    tunnel.exchange()
    assert tunnel.request("nonsense").status == 404
    once.wait_for_line("access: POST /__fluxsync/tunnel/nonsense 404", start=start)
    # What succeeds is said at DEBUG only.
    assert "/tunnel/exchange" not in "\n".join(
        line for line in once.lines[start:] if "fluxsync.access" in line
    )
    once.wait_for_line('"POST /__fluxsync/tunnel/nonsense HTTP/1.1" 404', start=start)

    assert tunnel.id not in once.output
    assert tunnel.cookie not in once.output


# What Streamlit gets

#: What a page's browser and whoever is in between send with either.
BOTH = [
    ("User-Agent", "test"),
    ("Accept-Language", "de, en;q=0.5"),
    ("Accept-Encoding", "gzip, br"),
    ("Cache-Control", "no-cache"),
    ("Authorization", "Bearer x"),
    ("X-Custom", "one, two"),
    ("X-Nominated", "for this hop"),
    ("Keep-Alive", "5"),
    ("X-Remote-User", "admin"),
    ("X-Auth-Request-Email", "admin@example.org"),
    ("X-Forwarded-For", "203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Prefix", "/forged"),
    ("X-Real-Ip", "203.0.113.9"),
    ("X-Fluxsync-Transport", "forged"),
    ("X-Fluxsync-Fallback", "forged"),
    ("X-Fluxsync-Replica", "forged"),
]
#: What goes with a script's requests only.
OF_REQUESTS = [
    ("Accept", "*/*"),
    ("Content-Type", "application/octet-stream"),
    ("Priority", "u=1, i"),
    ("Referer", "http://127.0.0.1/"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Ch-Ua", "test"),
]
COOKIES = "_streamlit_xsrf=2|abc; fluxsync_replica=r1; {}last=1"
OPENING_OF_PAGE = (
    b'{"protocols": ["streamlit", "token", "session-id"], "transport": "long-poll", '
    b'"reason": "websocket-timeout+buffered"}'
)
#: What differs, and may.
VARYING = {"sec-websocket-key", "x-request-id", "x-fluxsync-transport", "x-fluxsync-fallback"}


def handshakes(server: Gateway, upstream: FakeStreamlit) -> tuple[http.Message, http.Message]:
    """Return what Streamlit gets of a WebSocket's handshake, and of a tunnel's."""
    nominated = ("Connection", "Upgrade, X-Nominated")
    protocols = ("Sec-WebSocket-Protocol", "streamlit, token, session-id")
    cookies = ("Cookie", COOKIES.format(""))
    with server.websocket([*BOTH, cookies, protocols, nominated]) as websocket:
        websocket.echo("hello")
    cookies = ("Cookie", COOKIES.format(f"fluxsync_browser={'x' * 24}; "))
    headers = [*BOTH, cookies, *OF_REQUESTS]
    with Tunnel(server.port, server.mount.sent, headers) as page:
        nominated = ("Connection", "close, X-Nominated")
        assert page.request("open", OPENING_OF_PAGE, [nominated]).status == 200
    native, tunneled = (upstream.wait_for_websocket(number).request for number in (0, 1))
    assert native.target == tunneled.target == "/_stcore/stream"
    return native.head, tunneled.head


def compared(head: http.Message) -> list[tuple[str, str]]:
    fields = [(name.lower(), value) for name, value in head.headers]
    return sorted(field for field in fields if field[0] not in VARYING)


def test_streamlit_gets_the_same(live: Gateway, seen: FakeStreamlit) -> None:
    """As of a WebSocket, but for the names of transport and reason."""
    native, tunneled = handshakes(live, seen)

    assert compared(tunneled) == compared(native)
    assert native.get("X-Fluxsync-Transport") == "websocket"
    assert tunneled.get("X-Fluxsync-Transport") == "long-poll"
    assert tunneled.get("X-Fluxsync-Fallback") == "websocket-timeout+buffered"
    assert "X-Fluxsync-Fallback" not in native
    for head in (native, tunneled):
        assert head.get("Cookie") == "_streamlit_xsrf=2|abc; last=1"
        assert head.get("X-Forwarded-For") == "127.0.0.1"
        assert head.get("X-Custom") == "one, two"
        assert "X-Remote-User" not in head
        assert "X-Nominated" not in head


def test_trusted_proxies_are_believed(
    gateway: t.Callable[..., Gateway], shared_upstream: FakeStreamlit
) -> None:
    """On each transport alike; the browser's cookie is for https then."""
    server = gateway(upstream=shared_upstream, env={"FLUXSYNC_TRUST_PROXY": "true"})
    native, tunneled = handshakes(server, shared_upstream)
    with Tunnel(server.port, headers=[("X-Forwarded-Proto", "https"), ("Origin", "")]) as page:
        assert page.open().get("Set-Cookie").endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")

    assert compared(tunneled) == compared(native)
    for head in (native, tunneled):
        assert head.get("X-Forwarded-For") == "203.0.113.9, 127.0.0.1"
        assert head.get("X-Forwarded-Proto") == "https"
        assert head.get("X-Remote-User") == "admin"
        assert head.get("X-Fluxsync-Replica") != "forged"


def test_own_cookies_stay_here(live: Gateway, seen: FakeStreamlit) -> None:
    """Whatever the request is; its path is the mount's."""
    with Tunnel(live.port, live.mount.sent) as page:
        path = live.mount.root or "/"
        assert f"; Path={path}; HttpOnly" in page.open().get("Set-Cookie")
    own = [("Cookie", "fluxsync_browser=xxxxxxxxxxxxxxxxxxxx; fluxsync_replica=r1")]
    live.get("/echo", own)
    live.post("/echo", b"x", own)
    live.request("PUT", "/sink", own, b"x" * 200_000)
    with live.websocket(own):
        seen.wait_for_websocket(1)

    assert len(seen.requests) == 5
    assert not [
        request.headers
        for request in seen.requests
        if "fluxsync_" in str(request.head.all("Cookie"))
    ]
