"""A requests transport adapter for a gateway.

``requests.Session`` does for a client what a gateway must not do: keep cookies, follow
redirects, read proxies and passwords from the environment, decode bodies. So the adapter
is used directly, with requests' own request and response types.
"""

from __future__ import annotations

import contextlib
import select
import socket
import typing as t

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from ..exceptions import UpstreamError, UpstreamProtocolError, UpstreamTimeout
from ..sansio import http1
from .body import UpstreamBody

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..sansio.http1 import Head
    from ..typing import Headers
    from .connections import Connection, Pool

#: Bytes for the first read: a head, and mostly all of a small body.
_FIRST_READ = 64 * 1024

#: RFC 9110 9.2.2: a request with one of these may be sent twice.
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))


class GatewayRequest(requests.PreparedRequest):
    """A request that goes out as it came in: raw target, repeated fields, streamed body.

    :param target: Request target, to the byte.
    :param fields: End-to-end header fields, repeated ones included.
    :param body: The body's chunks, or ``None``.
    :param length: The body's length; ``None`` sends it chunked.
    """

    def __init__(
        self,
        method: str,
        target: str,
        fields: Headers,
        body: Iterable[bytes] | None = None,
        length: int | None = None,
    ) -> None:
        super().__init__()
        del self.headers  # made when somebody asks for them
        self.method: str = method
        self.target = target
        self.fields = fields
        self.body_chunks = body
        self.body_length = length

    def __getattr__(self, name: str) -> t.Any:
        if name != "headers":
            raise AttributeError(name)
        self.headers = CaseInsensitiveDict(self.fields)
        return self.headers

    @property
    def path_url(self) -> str:
        """The request target."""
        return self.target


class GatewayResponse(requests.Response):
    """A response in requests' words; ``raw`` is an :class:`~.body.UpstreamBody`.

    Its parts that a gateway has no use for, cookies for one, cost more than the response's
    head. They're made when somebody asks for them.
    """

    def __init__(self, request: requests.PreparedRequest, body: UpstreamBody) -> None:
        self.request = request
        self.status_code = body.head.status
        self.reason = body.head.reason
        self.body = self.raw = body

    def __getattr__(self, name: str) -> t.Any:
        attributes = vars(self)
        attributes.setdefault("headers", CaseInsensitiveDict(self.body.head.fields))
        for key, value in vars(requests.Response()).items():
            attributes.setdefault(key, value)
        try:
            return attributes[name]
        except KeyError:
            raise AttributeError(name) from None


class BodyAborted(Exception):
    """The request's body broke off: the client went away, or sent too much.

    Raised by a body's iterator, it makes the adapter drop the connection to Streamlit, so
    that a short body never looks complete.
    """


class GatewayAdapter(BaseAdapter):
    """Send :class:`GatewayRequest` objects to one Streamlit server.

    Thread-safe.
    """

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        self.pool = pool

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = True,
        timeout: object = None,
        verify: bool | str = True,
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> GatewayResponse:
        """Send a request and return the response when its head is there.

        Redirects, cookies and encodings are left alone; time-outs are the pool's.

        :raise UpstreamError: There is no usable answer.
        :raise BodyAborted: The request's body broke off.
        """
        assert isinstance(request, GatewayRequest)
        connection = self.pool.take()
        try:
            try:
                body = self._exchange(connection, request)
            except _Stale:
                # It was idle, and the server closed it just now. RFC 9112 9.3.1 allows
                # another try, as nothing was answered and the method may be repeated.
                connection.close()
                connection = self.pool.open()
                body = self._exchange(connection, request)
        except BaseException:
            connection.close()
            raise
        return GatewayResponse(request, body)

    def _exchange(self, connection: Connection, request: GatewayRequest) -> UpstreamBody:
        reader = http1.HeadReader()
        try:
            sent = _send(connection, request)
            head = _receive_head(connection.sock, reader)
            body = http1.response_body(head, request.method)
        except (BlockingIOError, TimeoutError) as e:
            raise UpstreamTimeout(
                "Streamlit did not answer in time (gateway_upstream_read_timeout_s)"
            ) from e
        except (BrokenPipeError, ConnectionResetError) as e:
            # RFC 9110 9.2.2
            may_repeat = request.body_chunks is None and request.method in _IDEMPOTENT
            if connection.reused and may_repeat and not reader.started:
                raise _Stale from e
            raise UpstreamProtocolError(f"Streamlit closed the connection: {e!r}") from e
        except (OSError, ValueError) as e:
            raise UpstreamProtocolError(f"no valid answer from Streamlit: {e}") from e
        # The rest of a body that wasn't wanted isn't the next request.
        keep = head.keeps_alive and sent
        return UpstreamBody(head, body, reader.rest, connection, self.pool, keep=keep)

    def close(self) -> None:
        """Close the idle connections."""
        self.pool.close()


class _Stale(UpstreamError):
    """A reused connection turned out to be closed."""


def _receive_head(sock: socket.socket, reader: http1.HeadReader) -> Head:
    while True:
        data = sock.recv(_FIRST_READ)
        if not data:
            raise ConnectionResetError("it ended before its answer")
        head = reader.feed(data)
        if head is not None:
            return head


_CHUNKED = ("Transfer-Encoding", "chunked")


def _send(connection: Connection, request: GatewayRequest) -> bool:
    """Send a request; return whether all of it was wanted."""
    fields, body, length = request.fields, request.body_chunks, request.body_length
    if body is None:
        connection.sock.sendall(http1.request_head(request.method, request.target, fields))
        return True
    framing = ("Content-Length", str(length)) if length is not None else _CHUNKED
    head = http1.request_head(request.method, request.target, [*fields, framing])
    connection.sock.sendall(head)
    try:
        return _send_body(connection, body if length is not None else _chunked(body))
    except (BrokenPipeError, ConnectionResetError):
        # It has answered without waiting for the rest, and closed the connection; the
        # answer is there to be read.
        return False


def _chunked(body: Iterable[bytes]) -> Iterator[bytes]:
    # An empty chunk would be the last one.
    for chunk in filter(None, body):
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def _send_body(connection: Connection, pieces: Iterable[bytes]) -> bool:
    """Send a body; return ``False`` if the rest of it is neither wanted nor taken.

    A server that refuses a body (413, 403) need not read it (RFC 9112 9.5). Whoever sends on
    then waits for a reader that never comes, with the answer unread.
    """
    sock, timeout = connection.sock, connection.timeout
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLOUT)
    for piece in pieces:
        left = memoryview(piece)
        while left:
            ready = poller.poll(None if timeout is None else timeout * 1000)
            if not ready:
                raise TimeoutError
            if ready[0][1] != select.POLLIN:
                # Only as much as is taken at once: meanwhile there may be an answer.
                with contextlib.suppress(BlockingIOError):
                    left = left[sock.send(left, socket.MSG_DONTWAIT) :]
            elif sock.recv(10, socket.MSG_PEEK)[9:] in (b"1", b"2"):
                # By its status it's no refusal: the server is only slow.
                poller.modify(sock, select.POLLOUT)
            else:
                return False
    return True
