"""A way of requests that calls a WSGI application in this process: no socket, no server.

The answer is written as a server would, and read by the standard library's client. So what
callers see of it, streamed or not, is what they would see of a server.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import logging
import sys
import typing as t
from urllib.parse import unquote_to_bytes, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..typing import Headers, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("fluxsync.upstream")

#: Answers with these have no body, whatever the application returns (RFC 9110 6.4.1).
_BODILESS = (204, 304)


class InProcessAdapter(HTTPAdapter):
    """Has requests to one authority answered by a WSGI application, in the caller's thread.

    Thread-safe if the application is. An exception of the application is logged, and is an
    answer with status 500, or one that breaks off, as with a server. Timeouts aren't kept:
    nobody can end a function from outside.

    :param application: Called for each request.
    :param base_url: URL of what clients call; scheme, host and port are the application's.
    """

    def __init__(self, application: WSGIApplication, base_url: str) -> None:
        self._application = application
        #: See above.
        self.base_url = base_url
        self._authority = urlsplit(base_url)[:2]
        super().__init__()

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: t.Any, **kwargs: t.Any
    ) -> requests.Response:
        """Call the application.

        :raise requests.ConnectionError: The request is for somebody else: nothing is sent.
        """
        assert request.url is not None
        if urlsplit(request.url)[:2] != self._authority:
            scheme, host = self._authority
            message = f"{request.url} isn't at {scheme}://{host}, which is all there is in a test"
            raise requests.ConnectionError(message, request=request)
        raw = _Wire(_call(self._application, _environ(request)), request.method or "GET")
        answer = http.client.HTTPResponse(t.cast("t.Any", raw), method=request.method)
        answer.begin()
        return self.build_response(
            request,
            urllib3.HTTPResponse(
                body=t.cast("t.Any", answer),
                headers=urllib3.HTTPHeaderDict(answer.msg.items()),
                status=answer.status,
                version=answer.version,
                reason=answer.reason,
                preload_content=False,
                original_response=t.cast("t.Any", answer),
                request_method=request.method,
            ),
        )


def _environ(request: requests.PreparedRequest) -> WSGIEnvironment:
    assert request.url is not None
    url = urlsplit(request.url)
    environ: dict[str, t.Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "REQUEST_URI": request.path_url,
        "SERVER_NAME": url.hostname or "",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": url.netloc.rpartition("@")[2],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": _input(request.body),
        # It ends where the body does, whether or not there is a length.
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        key = _text(name).upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        environ[key] = _text(value)
    return environ


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _input(body: t.Any) -> t.Any:
    """Return a body as a stream: bytes, a text, a file, or any iterable of bytes."""
    if body is None or isinstance(body, (str, bytes, bytearray)):
        return io.BytesIO(body.encode() if isinstance(body, str) else body or b"")
    if hasattr(body, "read"):
        return body
    return io.BufferedReader(_Stream(iter(body)))


def _call(
    application: WSGIApplication, environ: WSGIEnvironment
) -> Iterator[tuple[str, Headers] | bytes]:
    """Yield the answer's head, then the pieces of its body (PEP 3333)."""
    heads: list[tuple[str, Headers]] = []
    written: list[bytes] = []
    is_sent = False

    def start_response(status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        if exc_info and is_sent:
            raise exc_info[1]
        heads[:] = [(status, list(headers))]
        return written.append

    try:
        body = application(environ, t.cast("t.Any", start_response))
        try:
            for piece in body:
                written.append(piece)
                # Middleware may begin with nothing until it knows the status.
                if any(written):
                    if not is_sent:
                        head = heads[0]
                        is_sent = True
                        yield head
                    yield from written
                    written.clear()
            if not is_sent:
                head = heads[0]
                is_sent = True
                yield head
            yield from written
        finally:
            if hasattr(body, "close"):
                body.close()
    except Exception:
        logger.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if not is_sent:
            yield "500 Internal Server Error", [("Content-Length", "0")]
        else:
            raise _Broken from None  # an end too soon, which the reader can tell


class _Broken(Exception):
    """The application has failed in the middle of a body."""


class _Stream(io.RawIOBase):
    """A stream of the pieces of an iterator."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Fill a buffer with the next piece, and return how much that is; 0 is the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


class _Wire(_Stream):
    """What a server would send: a head, and a body with a length or in chunks (RFC 9112).

    In the place of a socket, of which :class:`http.client.HTTPResponse` wants a file.
    """

    def __init__(self, answer: Iterator[tuple[str, Headers] | bytes], method: str) -> None:
        self._answer = answer
        super().__init__(self._send(method))

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what is to be read."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Have the application clean up, wherever it is."""
        if not self.closed:
            with contextlib.suppress(_Broken):
                self._answer.close()  # type: ignore[attr-defined] # it's a generator
        super().close()

    def _send(self, method: str) -> Iterator[bytes]:
        status, headers = t.cast("tuple[str, Headers]", next(self._answer))
        names = {name.lower() for name, _ in headers}
        has_body = method != "HEAD" and int(status[:3]) not in _BODILESS
        is_chunked = has_body and "content-length" not in names
        if is_chunked:
            headers = [*headers, ("Transfer-Encoding", "chunked")]
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        yield f"HTTP/1.1 {status}\r\n{fields}\r\n".encode("latin-1")
        try:
            for piece in t.cast("Iterable[bytes]", self._answer):
                if has_body and piece:
                    yield b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece
        except _Broken:
            return
        if is_chunked:
            yield b"0\r\n\r\n"
