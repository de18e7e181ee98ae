"""With gunicorn's own parser; tests/live/test_slow_clients.py has it in a worker."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import typing as t

import pytest
import werkzeug

from fluxsync import FluxSyncSettings
from fluxsync.gateway.reading import BodyLost, ClientInput, make_pace
from fluxsync.sansio.pacing import Pace
from tests.bridges.test_tls import connected
from tests.support.parsed import CHUNKED, LENGTH, Client

BODIES = pytest.mark.parametrize(
    "head", [LENGTH % 10**12, CHUNKED + b"fffffffff\r\n"], ids=["length", "chunks"]
)


def connection(environ: t.Mapping[str, t.Any]) -> t.Any:
    """Return what gunicorn reads the connection with."""
    reader = environ["wsgi.input"].reader
    return getattr(reader, "unreader", None) or reader.req.unreader


@BODIES
def test_silence(client: Client, head: bytes) -> None:
    server = client.send(head + b"abc")
    stream = ClientInput(server.environ, Pace(0.01, 0))

    for _ in range(2):  # it has not become the body's end
        with pytest.raises(BodyLost, match="408") as caught:
            stream.read(1000)
        assert caught.value.failure.status == 408
    with pytest.raises(BodyLost, match="408"):
        stream.readline(1000)


def test_silence_within_tls() -> None:
    with connected() as (server, client):
        request = Client(client, server).send(CHUNKED + b"3\r\nab")
        with pytest.raises(BodyLost, match="408"):
            ClientInput(request.environ, Pace(0.01, 0)).read(1000)


@BODIES
def test_drops(client: Client, head: bytes) -> None:
    """Silence that is never long."""
    server = client.send(head)

    def drip() -> None:
        with contextlib.suppress(OSError):
            while True:
                client.ours.sendall(b"x")

    # Of each byte, it gets less back than any wait takes.
    stream = ClientInput(server.environ, Pace(0.02, 10**12))
    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(BodyLost, match="408"):
            stream.read(10**12)
    finally:
        client.theirs.shutdown(socket.SHUT_RDWR)
        thread.join()


@BODIES
def test_the_connection_is_the_servers_afterwards(client: Client, head: bytes) -> None:
    server = client.send(head)
    client.ours.sendall(bytes(3000))
    # gunicorn always reads some more.
    assert ClientInput(server.environ, Pace(60, 240)).read(1000) == bytes(1000)

    assert connection(server.environ).sock is client.theirs
    assert client.theirs.gettimeout() is None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(ConnectionResetError(104, "reset"), "broke off", id="gone"),
        pytest.param(EOFError(), "broke off", id="end"),
        pytest.param(ValueError("chunk"), "malformed", id="malformed"),
        pytest.param(TimeoutError(), "did not come in time", id="the server's own limit"),
    ],
)
def test_errors_of_servers(error: Exception, message: str) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> t.NoReturn:
            raise error

    with pytest.raises(OSError, match=message):
        ClientInput({"wsgi.input": Failing()}, Pace(60, 0)).read(1)


def test_what_applications_make_of_it() -> None:
    """Werkzeug answers it, and servers don't log it."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> t.NoReturn:
            raise TimeoutError

    with pytest.raises(werkzeug.exceptions.HTTPException) as caught:
        ClientInput({"wsgi.input": Failing()}, None).read(1)
    assert caught.value.get_response().status_code == 408
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == ConnectionResetError(104, "").errno


def test_settings() -> None:
    assert make_pace(FluxSyncSettings(gateway_client_timeout_s=0)) is None
    pace = make_pace(FluxSyncSettings(gateway_client_timeout_s=7, gateway_client_min_bytes_per_s=2))
    assert pace is not None
    pace.came(2, 3)
    assert pace.left == 5
