"""An ASGI application, FastAPI say, as a WSGI application.

a2wsgi does the translation. Around it: one event loop per process, made after any fork; the
lifespan; a scope that knows prefixes and any bytes in paths; and what :mod:`.exchange` does.
WebSockets of the application's own can't come this way.
"""

from __future__ import annotations

import _socket  # gevent's stand-in waits, even where it's told not to
import os
import socket
import threading
import time
import typing as t
from urllib.parse import quote

import a2wsgi

from ..bridges.sockets import find_socket
from ..bridges.turns import at_exit
from ..exceptions import BridgeError
from ..sansio import handshake, paths
from ..sansio import headers as _headers
from .exchange import AsgiExchange, Body, Response
from .lifespan import ASGI, AsgiProcess
from .responses import Problem

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..typing import StartResponse, WSGIEnvironment
    from .lifespan import AsgiCallable

#: Seconds that a request waits for the application's startup.
_PATIENCE = 30.0
#: Seconds after which a failed startup is tried again.
_RETRY = 5
#: Seconds for the application's end where nobody says how many there are.
_GRACE = 5.0

_TITLES = {411: "Length Required", 501: "Not Implemented", 503: "Service Unavailable"}


class AsgiApplication:
    """An ASGI application that WSGI servers can call.

    Thread-safe, and safe to be made before a fork: it starts nothing.

    :param application: ASGI 3.
    """

    def __init__(self, application: AsgiCallable) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._process: AsgiProcess | None = None

    def start(self) -> None:
        """Begin the application's startup in this process, if that hasn't been done."""
        self._get_process()

    def end(self, grace: float = _GRACE) -> None:
        """Let the application end; requests that come later start it anew.

        :param grace: Seconds that it may take.
        """
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end(grace)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        if handshake.is_upgrade([("upgrade", environ.get("HTTP_UPGRADE", ""))]):
            detail = "WebSockets of an ASGI application are not served; use app.websocket()"
            return _refuse(start_response, 501, detail)
        try:
            length = _body_length(environ)
        except ValueError as e:
            return _refuse(start_response, 411, str(e))
        process = self._get_process()
        if not process.wait_started(_PATIENCE):
            return _refuse(start_response, 503, "the API is starting")
        if process.failure:
            return _refuse(start_response, 503, f"the API failed to start: {process.failure}")
        body = Body(environ["wsgi.input"], length)
        scope = build_scope(environ)
        scope["state"] = process.state.copy()
        exchange = AsgiExchange(process, self._application, scope, body, _watch(environ))
        translate = a2wsgi.ASGIMiddleware(t.cast(t.Any, exchange), loop=process.loop)
        pieces = translate(t.cast(t.Any, _plain(environ, body)), t.cast(t.Any, start_response))
        return Response(pieces, exchange)

    def _get_process(self) -> AsgiProcess:
        process = self._process
        if process is not None and process.pid == os.getpid() and not _is_due(process):
            return process
        with self._lock:
            process = self._process
            if process is not None and process.pid == os.getpid():
                if not _is_due(process):
                    return process
                process.end(0.0)
            else:
                at_exit(self.end)
            self._process = AsgiProcess(self._application)
            return self._process


def _is_due(process: AsgiProcess) -> bool:
    """Whether its startup failed, and should be tried again."""
    return bool(process.failure) and time.monotonic() - process.failed_at >= _RETRY


def _body_length(environ: WSGIEnvironment) -> int | None:
    """Return how long the request's body is; ``None`` is as long as there is something.

    :raise ValueError: It comes in chunks that this server doesn't read.
    """
    length = str(environ.get("CONTENT_LENGTH") or "")
    if "HTTP_TRANSFER_ENCODING" not in environ:
        return int(length) if length.isdecimal() else 0
    if environ.get("wsgi.input_terminated"):
        return None
    raise ValueError("this WSGI server does not read request bodies in chunks")


def build_scope(environ: WSGIEnvironment) -> dict[str, t.Any]:
    """Return the description of a request that the ASGI specification (HTTP 2.3) wants.

    Paths contain the mount, and so does ``root_path``.
    """
    root = environ.get("SCRIPT_NAME", "")
    whole = root + environ.get("PATH_INFO", "")
    path = whole.encode("latin-1", "replace").decode("utf-8", "replace")
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    target = paths.parse_target(raw) if raw else paths.target_from_path_info(whole, "")
    raw_path, raw_root = target.path, quote(root.encode("latin-1", "replace"))
    if not paths.is_under(raw_path, raw_root):
        # A proxy has removed the prefix, or a part of it.
        raw_path = raw_root + quote(environ.get("PATH_INFO", "").encode("latin-1", "replace"))
    port = str(environ.get("REMOTE_PORT", ""))
    address = environ.get("REMOTE_ADDR")
    scheme = environ.get("wsgi.url_scheme", "http")
    # On a Unix socket, gunicorn makes one of whatever is behind a colon in Host.
    server_port = str(environ.get("SERVER_PORT", ""))
    if not (server_port.isascii() and server_port.isdecimal()):
        server_port = "443" if scheme == "https" else "80"
    fields = _headers.from_environ(environ)
    return {
        "type": "http",
        # The version whose applications listen for the client's end while they stream.
        "asgi": {**ASGI},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").partition("/")[2] or "1.1",
        "method": environ["REQUEST_METHOD"].upper(),
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path.encode("ascii", "replace"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1", "replace"),
        "root_path": root.encode("latin-1", "replace").decode("utf-8", "replace"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in fields
        ],
        "client": (address, int(port) if port.isdecimal() else 0) if address else None,
        "server": (environ["SERVER_NAME"], int(server_port)),
        "extensions": {},
        # As a2wsgi calls it.
        "wsgi_environ": environ,
    }


def _plain(environ: WSGIEnvironment, body: Body) -> dict[str, t.Any]:
    """Return an environ that a2wsgi can read, whatever the request is."""
    return {
        "REQUEST_METHOD": environ["REQUEST_METHOD"],
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        # It asks for as much as this says; what there is, is up to the body.
        "CONTENT_LENGTH": "0" if body.is_over else str(2**62),
        "wsgi.input": body,
    }


def _watch(environ: WSGIEnvironment) -> t.Callable[[], bool]:
    """Return what says whether the client has closed the connection, as far as can be seen."""
    try:
        sock = find_socket(environ)
    except (BridgeError, KeyError):
        return lambda: False

    def has_left() -> bool:
        try:
            file = os.dup(sock.fileno())
        except OSError:
            return True
        try:
            copy = _socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, file)
        except OSError:
            os.close(file)
            return True
        try:
            return not copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            copy.close()

    return has_left


def _refuse(start_response: StartResponse, status: int, detail: str) -> Iterable[bytes]:
    problem = Problem(title=_TITLES[status], status=status, detail=detail)
    body = problem.model_dump_json(exclude_none=True).encode()
    headers = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if status == 503:
        headers.append(("Retry-After", str(_RETRY)))
    start_response(f"{status} {_TITLES[status]}", headers)
    return [body]
