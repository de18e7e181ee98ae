"""Taking sockets from servers; the live tests do it under the real ones."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import ssl
import sys
import types
import typing as t

import pytest

from fluxsync.bridges import sockets
from fluxsync.exceptions import BridgeError

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def tombstone() -> None:
    """The dead socket is made once per process, and is no leak."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sockets.bury(ours)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


@pytest.mark.parametrize("key", ["gunicorn.socket", "gunicorn.sock", "werkzeug.socket"])
def test_find_socket(key: str, pair: tuple[socket.socket, socket.socket]) -> None:
    assert sockets.find_socket({key: pair[0], "wsgi.input": io.BytesIO()}) is pair[0]


def test_server_without_a_socket() -> None:
    with pytest.raises(BridgeError, match="does not give"):
        sockets.find_socket({"wsgi.input": io.BytesIO()})


def test_connection_of_uwsgi(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It's known by its number, which stays uWSGI's to close."""
    uwsgi = types.ModuleType("uwsgi")
    uwsgi.__dict__.update(connection_fd=pair[0].fileno, opt={})
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    environ = {"uwsgi.version": b"2.0", "wsgi.input": io.BytesIO()}
    found = sockets.find_socket(environ)
    assert found.fileno() == pair[0].fileno()
    del found
    pair[0].sendall(b"open")
    assert pair[1].recv(10) == b"open"
    uwsgi.__dict__["opt"]["https-socket"] = b"127.0.0.1:443"
    with pytest.raises(BridgeError, match="does not give"):
        sockets.find_socket(environ)


def test_connection_below_a_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    """As pywsgi has it; Passenger's leads nowhere."""
    with pair[0].makefile("rb") as stream:
        environ: dict[str, t.Any] = {"wsgi.input": stream}
        assert sockets.find_socket(environ) is pair[0]
        environ["passenger.hijack"] = print
        with pytest.raises(BridgeError, match="does not give"):
            sockets.find_socket(environ)


def test_http2_is_left_alone(pair: tuple[socket.socket, socket.socket]) -> None:
    """All streams of the connection share that socket."""
    environ = {"gunicorn.socket": pair[0], "SERVER_PROTOCOL": "HTTP/2"}
    with pytest.raises(BridgeError, match="HTTP/2"):
        sockets.find_socket(environ)


def test_tls_stays_in_the_process(pair: tuple[socket.socket, socket.socket]) -> None:
    """It's found, but only this process can go on with it; see test_tls.py."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    taken = pair[0].dup()
    with context.wrap_socket(taken, do_handshake_on_connect=False) as tls:
        environ = {"gunicorn.socket": tls}
        assert sockets.find_socket(environ) is tls
        assert not sockets.can_leave(tls)
        assert sockets.connection_scheme(environ) == "https"
    assert sockets.can_leave(pair[0])


def test_scheme_is_the_connections(pair: tuple[socket.socket, socket.socket]) -> None:
    """gunicorn says https when a header of a local peer does."""
    environ = {"gunicorn.socket": pair[0], "wsgi.url_scheme": "https"}

    assert sockets.connection_scheme(environ) == "http"
    assert sockets.connection_scheme({"wsgi.url_scheme": "https"}) == "https"


def test_taken_connection_lives_on(pair: tuple[socket.socket, socket.socket]) -> None:
    """The server's own number is dead, and closing it harms nobody."""
    ours, theirs = pair
    number = ours.fileno()
    with contextlib.closing(sockets.take(ours)) as taken:
        assert ours.fileno() == number
        assert ours.recv(1) == b""
        with pytest.raises(BrokenPipeError):
            ours.sendall(b"lost")
        ours.shutdown(socket.SHUT_WR)
        ours.close()
        taken.send(b"kept")
        assert theirs.recv(10) == b"kept"
        assert not os.get_inheritable(taken.fileno())


def test_early_bytes_of_gunicorn(pair: tuple[socket.socket, socket.socket]) -> None:
    """They're in its unreader, and are taken from there."""
    buffer = io.BytesIO(b"early")
    unreader = type("Unreader", (), {"buf": buffer})()
    reader = type("Reader", (), {"unreader": unreader})()
    environ = {"wsgi.input": type("Body", (), {"reader": reader})()}

    assert sockets.early_bytes(environ, pair[0]) == b"early"
    assert sockets.early_bytes(environ, pair[0]) == b""


def test_early_bytes_of_a_buffered_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    """What is there is taken, and nothing is waited for."""
    ours, theirs = pair
    ours.settimeout(7.0)
    with ours.makefile("rb") as stream:
        assert sockets.early_bytes({"wsgi.input": stream}, ours) == b""
        theirs.sendall(b"line\nearly")
        assert stream.readline() == b"line\n"
        assert sockets.early_bytes({"wsgi.input": stream}, ours) == b"early"
    assert ours.gettimeout() == 7.0


def test_no_early_bytes_elsewhere(pair: tuple[socket.socket, socket.socket]) -> None:
    assert sockets.early_bytes({"wsgi.input": object()}, pair[0]) == b""
