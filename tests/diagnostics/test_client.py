"""Whatever a server does, there's an answer, or a reason, in bounded time."""

from __future__ import annotations

import socket
import threading
import typing as t

import pytest

from fluxsync.diagnostics import tunnel
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.client import Client, Options
from fluxsync.diagnostics.connection import Security
from fluxsync.diagnostics.observations import LIMIT, Trouble
from tests.diagnostics.conftest import Serve, read_head
from tests.support.processes import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b; Path=/\r\n\r\nok"
PATIENT = Options(timeout=30.0)
BRIEF = Options(timeout=1.0)


def replying(data: bytes, heads: list[bytes] | None = None) -> t.Callable[[socket.socket], None]:
    def handle(client: socket.socket) -> None:
        head = read_head(client)
        if heads is not None:
            heads.append(head)
        client.sendall(data)

    return handle


def test_answer(serve: Serve) -> None:
    """Fields, cookies and the password go along, and given fields win."""
    heads: list[bytes] = []
    given = (("Cookie", "c=d"), ("User-Agent", "me"))
    here = serve(replying(OK, heads))._replace(authorization="Basic x")
    client = Client(Options(headers=given))

    answer = client.get(here)
    client.request("POST", here, [("Accept", "x")], b"body")

    assert (answer.status, answer.body, answer.trouble) == (200, b"ok", None)
    first, second = (head.decode().split("\r\n") for head in heads)
    assert first[0] == "GET / HTTP/1.1"
    assert {"Authorization: Basic x", "User-Agent: me", "Cookie: c=d"} <= set(first)
    assert f"X-Request-Id: {answer.request_id}" in first
    assert {"Content-Length: 4", "Cookie: a=b; c=d", "Accept: x"} <= set(second)


@pytest.mark.parametrize(
    ("data", "status", "trouble"),
    [
        pytest.param(b"", 0, Trouble.BROKEN, id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", 0, Trouble.NOT_HTTP, id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", 0, Trouble.BROKEN, id="half a head"),
        pytest.param(OK[:-1], 200, Trouble.BROKEN, id="half a body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000, 0, Trouble.NOT_HTTP, id="long head"),
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nok", 200, None, id="ends with the connection"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            200,
            None,
            id="chunks",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
            200,
            Trouble.BROKEN,
            id="bad chunks",
        ),
    ],
)
def test_odd_answers(serve: Serve, data: bytes, status: int, trouble: Trouble | None) -> None:
    answer = Client(PATIENT).get(serve(replying(data)))

    assert (answer.status, answer.trouble) == (status, trouble)
    if trouble is None:
        assert answer.body == b"ok"


def test_endless_answer(serve: Serve) -> None:
    def handle(client: socket.socket) -> None:
        read_head(client)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            client.sendall(bytes(65536))

    answer = Client(PATIENT).get(serve(handle))

    assert len(answer.body) == LIMIT
    assert answer.trouble is None


@pytest.mark.parametrize("drip", [b"", b"x"])
def test_slow_answer(serve: Serve, drip: bytes) -> None:
    """Time is counted for all of it, however many pieces come."""

    def handle(client: socket.socket) -> None:
        read_head(client)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        client.settimeout(0.05)
        while True:
            client.sendall(drip)
            try:
                if not client.recv(1):
                    return
            except TimeoutError:
                pass

    here = serve(handle)
    for seconds in (1.0, 5.0, 25.0):
        answer = Client(Options(timeout=seconds)).get(here)
        if answer.status:
            break  # else the machine was too busy for the answer's head

    assert (answer.status, answer.trouble) == (200, Trouble.TIMEOUT)


def test_early_answer(serve: Serve) -> None:
    """A refusal is read even if most of the body isn't."""

    def handle(client: socket.socket) -> None:
        data = read_head(client)
        client.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        while data:
            data = client.recv(65536)

    answer = Client(PATIENT).request("PUT", serve(handle), body=bytes(20_000_000))

    assert (answer.status, answer.trouble) == (413, None)


def test_body_that_is_not_taken(serve: Serve) -> None:
    given_up = threading.Event()
    here = serve(lambda client: t.cast(None, given_up.wait()))

    answer = Client(BRIEF).request("PUT", here, body=bytes(50_000_000))
    given_up.set()

    assert (answer.status, answer.trouble) == (0, Trouble.TIMEOUT)


def test_nobody() -> None:
    client = Client(PATIENT)

    assert client.get(parse(f"http://127.0.0.1:{free_port()}/")).trouble is Trouble.REFUSED
    assert client.get(parse("http://nobody.invalid/")).trouble is Trouble.NAME


def test_no_tls(serve: Serve) -> None:
    def handle(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    here = serve(handle)._replace(scheme="https")

    assert Client(PATIENT).get(here).trouble is Trouble.TLS


def test_certificates_that_are_none() -> None:
    with pytest.raises(OSError, match=r"NO_CERTIFICATE|no certificate|PEM"):
        Client(Options(security=Security(ca_file=__file__)))


def test_tunnel_whose_id_is_none(serve: Serve) -> None:
    """It would go into a header field."""
    said = b'{"id": "a\\r\\nb: c", "hold": true, "wait": 1}'
    head = b"HTTP/1.1 200 OK\r\nX-Request-Id: a\r\nContent-Length: %d\r\n\r\n" % len(said)

    with tunnel.Watch(Client(PATIENT), serve(replying(head + said)), 0.1) as watch:
        seen = watch.finish()

    assert not seen.is_open
    assert seen.opened.detail == "it isn't a tunnel's"
