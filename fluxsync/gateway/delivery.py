"""Write large responses without a thread that waits for slow clients.

gunicorn's sync and gthread workers write with calls that block until the client has taken
everything. So the server sends the head only, and the body is written from here to the same
socket, as much of it as the client takes at once. What it doesn't take soon goes to the relay.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat
import time
import typing as t

from ..bridges.sockets import can_leave
from ..sansio.routing import Route
from ..upstream.body import UpstreamBody
from .files import FileBody
from .kept import PassingBody

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..typing import WSGIEnvironment
    from .handover import HandOver
    from .request import Request

#: Smaller bodies fit into the kernel's buffer of any connection, and leave the thread at once.
SMALL = 16 * 1024
#: Seconds that a thread waits for a client, all in all: to hand a connection over costs the
#: client its keep-alive.
_PATIENCE = 0.1
#: What one call of sendfile(2) sends at most.
_PIECE = 1024 * 1024
#: Largest buffer that a connection is given. The kernel takes twice as much for its own needs.
_BUFFER = 512 * 1024


def gunicorn_socket(environ: WSGIEnvironment) -> socket.socket | None:
    """Return the client's socket where gunicorn speaks plain HTTP/1 on it."""
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is None or not can_leave(sock):
        return None
    if not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1."):
        return None  # the frames of HTTP/2
    return sock


def client_socket(environ: WSGIEnvironment) -> socket.socket | None:
    """Return the client's socket where a thread would wait to write on it.

    Not under gevent, whose sockets are of another module, and take ``socket.socket``'s place.
    """
    sock = gunicorn_socket(environ)
    return sock if type(sock).__module__ == "socket" else None


def deliver(body: Iterable[bytes], request: Request, hand_over: HandOver) -> Iterable[bytes]:
    """Return a body that keeps no thread waiting, if this one would."""
    if isinstance(body, FileBody):
        client = client_socket(request.environ)
        if client is None:
            return body.wrapped(request)
        return FileDelivery(hand_over, request, client, body.file, body.offset, body.count)
    if isinstance(body, ApiFile):
        part = body.part(request.exchange.length)
        client = client_socket(request.environ)
        if part is None or client is None or request.method == "HEAD":
            return body
        return FileDelivery(hand_over, request, client, body.file, *part)
    if request.route is Route.TUNNEL and isinstance(body, list):
        return _deliver_bytes(b"".join(body), request, hand_over)
    if not isinstance(body, (UpstreamBody, PassingBody)) or request.method == "HEAD":
        return body
    left = body.remaining
    client = client_socket(request.environ) if left is not None and left > SMALL else None
    if client is None or left is None:
        return body
    return ResponseDelivery(hand_over, request, client, body, left)


def _deliver_bytes(data: bytes, request: Request, hand_over: HandOver) -> Iterable[bytes]:
    client = client_socket(request.environ) if len(data) > SMALL else None
    return [data] if client is None else BytesDelivery(hand_over, request, client, data)


class ApiFile:
    """The API's ``wsgi.file_wrapper`` (PEP 3333), which Flask's ``send_file`` uses."""

    def __init__(self, file: t.Any, block_size: int = 64 * 1024) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.file.read(self._block_size):
            yield data

    def part(self, length: int) -> tuple[int, int] | None:
        """Return the part that is to be sent, as offset and count, if the kernel can send it.

        :param length: ``Content-Length`` of the response; negative if it has none.
        """
        try:
            found = os.fstat(self.file.fileno())
            offset = self.file.tell()
        except (AttributeError, OSError):
            return None  # not a file on a disk
        is_whole = stat.S_ISREG(found.st_mode) and 0 <= length <= found.st_size - offset
        return (offset, length) if is_whole else None

    def close(self) -> None:
        """Close the file."""
        close = getattr(self.file, "close", None)
        if close is not None:
            close()


class _Delivery:
    """A body that writes itself.

    The server gets an empty piece, with which it sends the head, and nothing else.
    """

    def __init__(
        self, hand_over: HandOver, request: Request, client: socket.socket, left: int
    ) -> None:
        self._hand_over = hand_over
        self._request = request
        self._client = client
        # A sync worker serves nobody else meanwhile, and closes the connection anyway.
        self._patience = _PATIENCE if request.environ.get("wsgi.multithread") else 0.0
        self._is_enlarged = False
        #: Bytes that are still to be sent.
        self._left = left

    def __iter__(self) -> Iterator[bytes]:
        """Write the body, or hand over what the client doesn't take."""
        yield b""
        self._write_all()

    def _write_all(self) -> None:
        raise NotImplementedError

    def _sent(self, count: int) -> None:
        self._left -= count
        self._request.exchange.bytes += count

    def _write(self, data: memoryview) -> memoryview:
        """Write to the client, and return what it doesn't take."""
        while data:
            try:
                count = self._client.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if not self._wait():
                    break
            else:
                data = data[count:]
                self._sent(count)
        return data

    def _wait(self) -> bool:
        """Return whether the client takes more, after a moment at most."""
        if not self._is_enlarged and self._left <= _BUFFER:
            # Most frontend files fit then. A fixed size would slow down what doesn't: the
            # kernel's own grows with what the network takes.
            self._is_enlarged = True
            with contextlib.suppress(OSError):
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            return True
        if self._patience <= 0:
            return False
        began = time.monotonic()
        poller = select.poll()
        poller.register(self._client, select.POLLOUT)
        ready = poller.poll(self._patience * 1000)
        self._patience -= time.monotonic() - began
        return bool(ready)


class FileDelivery(_Delivery):
    """Delivers a part of a file.

    :param file: Closed at the end.
    """

    def __init__(
        self,
        hand_over: HandOver,
        request: Request,
        client: socket.socket,
        file: t.BinaryIO,
        offset: int,
        count: int,
    ) -> None:
        super().__init__(hand_over, request, client, count)
        self._file = file
        self._offset = offset

    def _write_all(self) -> None:
        with _not_blocking(self._client):
            while self._left:
                try:
                    self._send()
                except BlockingIOError:
                    if not self._wait():
                        break
        if self._left:
            self._file.seek(self._offset)
            self._hand_over.download(self._request, self._client, self._file, self._left, b"")

    def _send(self) -> None:
        count = os.sendfile(
            self._client.fileno(), self._file.fileno(), self._offset, min(self._left, _PIECE)
        )
        if not count:
            raise OSError(f"{self._file.name!r} has become shorter")
        self._offset += count
        self._sent(count)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class BytesDelivery(_Delivery):
    """Delivers what is in memory."""

    def __init__(
        self, hand_over: HandOver, request: Request, client: socket.socket, data: bytes
    ) -> None:
        super().__init__(hand_over, request, client, len(data))
        self._data = data

    def _write_all(self) -> None:
        rest = self._write(memoryview(self._data))
        if rest:
            # Nothing comes from anywhere else.
            source, other = socket.socketpair()
            with source, other:
                self._hand_over.download(self._request, self._client, source, 0, bytes(rest))


class ResponseDelivery(_Delivery):
    """Delivers a response of Streamlit's of known length.

    :param body: Closed at the end.
    """

    def __init__(
        self,
        hand_over: HandOver,
        request: Request,
        client: socket.socket,
        body: UpstreamBody | PassingBody,
        count: int,
    ) -> None:
        super().__init__(hand_over, request, client, count)
        self._body = body

    def _write_all(self) -> None:
        for piece in self._body:
            rest = self._write(memoryview(piece))
            if not rest:
                continue
            upstream, buffered, left = self._body.detach()
            assert left is not None  # its length is known
            with upstream:
                first = bytes(rest) + buffered
                self._hand_over.download(self._request, self._client, upstream, left, first)
            return

    def close(self) -> None:
        """Close the connection to Streamlit, or give it back."""
        self._body.close()


@contextlib.contextmanager
def _not_blocking(sock: socket.socket) -> Iterator[None]:
    """Have calls on a socket not wait; Python's object doesn't notice."""
    os.set_blocking(sock.fileno(), False)
    try:
        yield
    finally:
        os.set_blocking(sock.fileno(), True)
