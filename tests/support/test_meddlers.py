"""The front proxy does what its tests say it does."""

from __future__ import annotations

import contextlib
import typing as t

import pytest

from tests.support import frames, http, websocket
from tests.support.http import Connection
from tests.support.meddlers import PAGE, Asked, Every, Meddler, Meddling, Upgrade
from tests.support.upstream import FakeStreamlit, pattern
from tests.support.waiting import eventually

StartMeddler = t.Callable[..., Meddler]


@pytest.fixture
def meddler(upstream: FakeStreamlit) -> t.Iterator[StartMeddler]:
    """Start proxies: ``meddler(buffered=True)``."""
    with contextlib.ExitStack() as stack:
        yield lambda **does: stack.enter_context(Meddler(upstream.port, does=Meddling(**does)))


def test_passes_requests_on(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    """A kept connection, bodies of both kinds, the headers of a proxy."""
    with Connection(meddler().port) as client:
        chunked = [("Transfer-Encoding", "chunked"), ("X-Forwarded-For", "192.0.2.1")]
        seen = client.request("POST", "/echo?a=%2F", chunked, b"3\r\nabc\r\n0\r\n\r\n").json()
        assert (seen["target"], seen["body_length"]) == ("/echo?a=%2F", 3)
        headers = http.Message("", seen["headers"])
        assert headers.get("Host") == client.host
        assert headers.get("X-Forwarded-For") == "192.0.2.1, 127.0.0.1"
        assert client.request("PUT", "/sink", (), b"12345").status == 204
        assert client.request("GET", "/chunked/3/5").chunks == [b"xxxxx"] * 3
        assert client.request("GET", "/bytes/100000").body == b"".join(pattern(100_000))
        assert client.request("HEAD", "/bytes/7").get("Content-Length") == "7"
        assert client.request("GET", "/status/304").get("Content-Length") == "1234"
        assert client.request("GET", "/close/10").body == b"".join(pattern(10))
        assert client.request("GET", "/hints").body == b"hints"
        assert not client.request("GET", "/reset").complete
    assert upstream.sinks.get(timeout=10).body == b"12345"


def test_passes_responses_on_as_they_come(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    with Connection(meddler().port) as client:
        client.send_request("GET", "/gated/2")
        body = client.iter_body(client.read_head())
        for number in range(2):
            upstream.gate.release()
            assert next(body) == b"data: %d\n\n" % number
        assert list(body) == []


def test_passes_websockets_on(meddler: StartMeddler) -> None:
    with websocket.RawWebSocket(meddler().port, glued=[frames.text("glued")]) as client:
        assert (frame := client.receive()) is not None
        assert frame.payload == b"glued"
        assert client.echo("x" * 100_000) == "x" * 100_000
        client.send(frames.text("abort"))
        assert client.receive() is None


@pytest.mark.parametrize("status", [200, 400, 403, 426, 502])
def test_answers_handshakes_itself(
    meddler: StartMeddler, upstream: FakeStreamlit, status: int
) -> None:
    with Connection(meddler(upgrade=status).port) as client:
        response = websocket.handshake(client)
        assert response.status == status
        assert b"".join(client.iter_body(response)) == PAGE
        assert client.request("GET", "/echo").status == 200
    assert [request.path for request in upstream.requests] == ["/echo"]


def test_drops_handshakes(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    for upgrade in Upgrade.RESET, Upgrade.CLOSE:
        with Connection(meddler(upgrade=upgrade).port) as client:
            with pytest.raises(ConnectionError, match="before a response: b''"):
                websocket.handshake(client)
            assert client.was_reset is (upgrade is Upgrade.RESET)
    assert upstream.requests == []


@pytest.mark.parametrize("upgrade", [Upgrade.SWALLOW, Upgrade.PRETEND])
def test_swallows_frames(meddler: StartMeddler, upstream: FakeStreamlit, upgrade: Upgrade) -> None:
    upstream.greeting = frames.text("hello").encode()
    proxy = meddler(upgrade=upgrade)
    with websocket.connect(proxy.port) as client:
        assert client.getsubprotocol() == "streamlit"
        client.send("close 4001")
        proxy.drop()
        assert client.sock is not None
        assert client.sock.recv(1) == b""
    # The client has its 101 before the upstream has noted that it sent it.
    eventually(lambda: len(upstream.websockets) == (upgrade is Upgrade.SWALLOW))
    assert all(socket.ended.wait(10) and not socket.frames for socket in upstream.websockets)


def test_forgets_that_it_is_a_handshake(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    with Connection(meddler(upgrade=Upgrade.FORGET).port) as client:
        assert websocket.handshake(client).status != 101
    assert (upstream.requests[0].get("Upgrade"), upstream.websockets) == ("", [])


def test_buffers_responses(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    with Connection(meddler(buffered=True).port) as client:
        assert client.request("GET", "/chunked/3/5").get("Content-Length") == "15"
        assert client.request("HEAD", "/bytes/7").get("Content-Length") == "7"
        assert client.request("GET", "/reset").status == 502
        client.send_request("GET", "/gated/2")
        upstream.gate.release(2)
        assert client.read_response().body == b"data: 0\n\ndata: 1\n\n"


@pytest.mark.parametrize("target", ["/slow/20", "/gated/1"])
def test_loses_patience(meddler: StartMeddler, target: str) -> None:
    """Before the head of a response and after it."""

    def is_cut(patience: float) -> bool:
        """Whether the head of a response came, and its end didn't."""
        proxy = meddler(patience=patience)
        try:
            response = http.get(proxy.port, target)
        except ConnectionError:
            response = None
        assert proxy.done == {"late": 1}
        assert response is None or not response.complete
        return response is not None

    # On a busy machine the head may be late, too.
    patiences = [0.2] if target == "/slow/20" else [0.2, 2, 20]
    assert any(map(is_cut, patiences)) is (target != "/slow/20")
    proxy = meddler(patience=0.2, buffered=True, hurried="^/slow|^/gated")
    assert http.get(proxy.port, target).status == 504
    assert http.get(proxy.port, "/echo").status == 200


def test_first_byte_and_silence(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    proxy = meddler(first_byte=0.2)
    with pytest.raises(ConnectionError):
        http.get(proxy.port, "/slow/20")

    proxy = meddler(idle=0.2)
    assert not http.get(proxy.port, "/gated/1").complete
    with websocket.RawWebSocket(proxy.port) as client:
        assert client.receive() is None
    assert proxy.done == {"late": 1, "idle": 1}


def test_bodies_that_are_too_large(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    proxy = meddler(buffered=True, largest=10)
    assert http.request(proxy.port, "PUT", "/sink", (), bytes(11)).status == 413
    assert upstream.requests == []
    assert http.get(proxy.port, "/bytes/11").status == 502
    assert http.get(proxy.port, "/bytes/10").status == 200


def test_edits_fields(upstream: FakeStreamlit) -> None:
    """Both sides' fields, by somebody who knows who asks whom for what."""
    asked: list[Asked] = []

    def edit(fields: http.Headers, about: Asked) -> http.Headers:
        asked.append(about)
        return [*fields, ("X-Edited", "1")]

    does = Meddling(strip="/s", ask=edit, answer=edit)
    with Meddler(upstream.port, does=does) as proxy:
        response = http.get(proxy.port, "/s/echo?a")
        assert response.get("X-Edited") == "1"
        assert ["X-Edited", "1"] in response.json()["headers"]
        assert asked == [Asked(proxy.port, upstream.port, "/s/echo?a")] * 2


@pytest.mark.parametrize("serial", [True, False])
def test_one_request_at_a_time(
    meddler: StartMeddler, upstream: FakeStreamlit, serial: bool
) -> None:
    proxy = meddler(serial=serial)
    with Connection(proxy.port) as first, Connection(proxy.port) as second:
        first.send_request("GET", "/gated/1")
        upstream.wait_for_request("/gated/1")
        second.send_request("GET", "/echo")
        if not serial:
            assert second.read_response().status == 200
        eventually(lambda: len(proxy.requests) == 2)
        assert len(upstream.requests) == (1 if serial else 2)
        upstream.gate.release()
        assert first.read_response().complete
        if serial:
            assert second.read_response().status == 200


def test_loses_responses(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    proxy = meddler(lost=Every(3, "^/echo"))
    answered = []
    for _ in range(7):
        with contextlib.suppress(ConnectionError):
            answered.append(http.get(proxy.port, "/echo").status)
        assert http.get(proxy.port, "/bytes/5").status == 200
    assert answered == [200] * 5
    assert len(upstream.requests) == 14
    assert proxy.done == {"lost": 2}


def test_asks_twice(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    """Even if the first answer never comes."""
    proxy = meddler(twice=Every(2, "/gated"))
    upstream.gate.release(2)
    http.get(proxy.port, "/gated/1")
    assert http.get(proxy.port, "/echo").status == 200
    with Connection(proxy.port) as client:
        client.send_request("GET", "/gated/1")
        eventually(lambda: [r.path for r in upstream.requests].count("/gated/1") == 3)
        upstream.gate.release()
        assert client.read_response().body == b"data: 0\n\n"
    assert proxy.done == {"twice": 1}


@pytest.mark.parametrize("target", ["/bytes/100", "/chunked/10/10"])
def test_cuts_after_some_bytes(meddler: StartMeddler, target: str) -> None:
    proxy = meddler(cut=Every(1, "0"), cut_at=42)
    response = http.get(proxy.port, target)
    assert (len(response.body), response.complete) == (42, False)
    assert http.get(proxy.port, "/bytes/40").complete
    assert proxy.done == {"cut": 1}


def test_closes_connections(meddler: StartMeddler) -> None:
    with Connection(meddler(kept=False).port) as client:
        assert client.request("GET", "/echo").get("Connection") == "close"
        assert client.is_closed()


def test_turns_and_prefix(upstream: FakeStreamlit) -> None:
    """Whoever comes next, and what is left of the path."""
    with (
        FakeStreamlit() as other,
        Meddler(upstream.port, other.port, does=Meddling(strip="/s/1")) as proxy,
    ):
        for number in range(4):
            assert http.get(proxy.port, f"/s/1/echo/{number}").status == 200
        assert http.get(proxy.port, "/echo").status == 404
        assert [request.target for request in upstream.requests] == ["/echo/0", "/echo/2"]
        assert [request.target for request in other.requests] == ["/echo/1", "/echo/3"]


def test_freezes(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    """What was sent meanwhile comes afterwards, unless connections are dropped."""
    proxy = meddler()
    with websocket.RawWebSocket(proxy.port) as client, Connection(proxy.port) as other:
        assert client.echo("before") == "before"
        proxy.freeze()
        client.send(frames.text("while"))
        other.send_request("GET", "/echo")
        eventually(lambda: "GET /echo" in proxy.requests)
        assert len(upstream.requests) == 1
        proxy.thaw()
        assert (frame := client.receive()) is not None
        assert frame.payload == b"while"
        assert other.read_response().status == 200
        proxy.freeze()
        proxy.drop()
        proxy.thaw()
        assert client.receive() is None
        assert other.is_closed()
        assert http.get(proxy.port, "/echo").status == 200


def test_end_while_frozen(meddler: StartMeddler) -> None:
    proxy = meddler(serial=True)
    with Connection(proxy.port) as one, Connection(proxy.port) as two:
        proxy.freeze()
        for client in one, two:
            client.send_request("GET", "/echo")
        eventually(lambda: len(proxy.requests) == 2)
        proxy.__exit__()
        assert one.is_closed()
        assert two.is_closed()


def test_client_that_goes(meddler: StartMeddler, upstream: FakeStreamlit) -> None:
    """The gateway is told."""
    proxy = meddler()
    with Connection(proxy.port) as client:
        client.send_request("GET", "/slow/20")
        upstream.wait_for_request("/slow/20")
        assert len(proxy.owned_descriptors()) == 3
    eventually(lambda: len(proxy.owned_descriptors()) == 1)
