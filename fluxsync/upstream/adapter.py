"""A requests transport adapter for a gateway.

``requests.Session`` does for a client what a gateway must not do: keep cookies, follow
redirects, read proxies and passwords from the environment, decode bodies. So the adapter
is used directly, with requests' own request and response types.
"""

from __future__ import annotations

import http.client
import select
import socket
import typing as t

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from ..exceptions import UpstreamError, UpstreamProtocolError, UpstreamTimeout
from ..sansio import headers as _headers
from ..sansio.framing import check_response
from .connections import Connection, Pool

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..typing import Headers

#: Bytes per read: large enough to be cheap, small enough to be passed on at once.
CHUNK = 64 * 1024

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
        self.method = method
        self.target = target
        self.fields = fields
        self.headers = CaseInsensitiveDict(fields)
        self.body_chunks = body
        self.body_length = length

    @property
    def path_url(self) -> str:
        """The request target."""
        return self.target


class BodyAborted(Exception):
    """The request's body broke off: the client went away, or sent too much.

    Raised by a body's iterator, it makes the adapter drop the connection to Streamlit, so
    that a short body never looks complete.
    """


class UpstreamBody:
    """A response's body, as the bytes came; a WSGI server may iterate over it.

    Give it back with :meth:`close`; a body that wasn't read to its end takes its connection
    with it.
    """

    def __init__(
        self, response: http.client.HTTPResponse, connection: Connection, pool: Pool
    ) -> None:
        self.response = response
        #: The response's header fields, repeated ones included.
        self.fields: Headers = response.getheaders()
        self._connection: Connection | None = connection
        self._pool = pool

    def __iter__(self) -> Iterator[bytes]:
        return self.stream()

    def stream(self, size: int = CHUNK, decode_content: bool = False) -> Iterator[bytes]:
        """Yield the body as it arrives.

        :raise UpstreamTimeout: Streamlit was silent for too long.
        :raise UpstreamProtocolError: It ended before its announced end.
        """
        response = self.response
        left = response.length
        try:
            while chunk := response.read1(size):
                if left is not None:
                    left -= len(chunk)
                yield chunk
        except TimeoutError as e:
            raise UpstreamTimeout(
                "Streamlit fell silent within a response (gateway_upstream_read_timeout_s)"
            ) from e
        except (OSError, http.client.HTTPException) as e:
            raise UpstreamProtocolError(f"the response broke off: {e!r}") from e
        if left:
            raise UpstreamProtocolError(f"the response broke off {left} bytes before its end")
        self._release()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # read1() leaves the response open at the end of a Content-Length body.
        self.response.close()
        if self.response.will_close:
            connection.close()
        else:
            self._pool.give_back(connection)

    def close(self) -> None:
        """Let go of the connection; it's closed unless the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self.response.close()
            connection.close()

    release_conn = close


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
    ) -> requests.Response:
        """Send a request and return the response when its head is there.

        ``response.raw`` is an :class:`UpstreamBody`. Redirects, cookies and encodings are
        left alone; time-outs are the pool's.

        :raise UpstreamError: There is no usable answer.
        :raise BodyAborted: The request's body broke off.
        """
        assert isinstance(request, GatewayRequest)
        connection = self.pool.take()
        try:
            try:
                return self._exchange(connection, request)
            except _Stale:
                # It was idle, and the server closed it just now. RFC 9112 9.3.1 allows
                # another try, as nothing was answered and the method may be repeated.
                connection.close()
                connection = self.pool.open()
                return self._exchange(connection, request)
        except BaseException:
            connection.close()
            raise

    def _exchange(self, connection: Connection, request: GatewayRequest) -> requests.Response:
        may_repeat = (
            connection.reused and request.body_chunks is None and request.method in _IDEMPOTENT
        )
        try:
            sent = _send(connection, request)
            answer = connection.getresponse()
            # The rest of a body isn't the next request.
            answer.will_close = answer.will_close or not sent
            return _response(request, answer, UpstreamBody(answer, connection, self.pool))
        except TimeoutError as e:
            raise UpstreamTimeout(
                "Streamlit did not answer in time (gateway_upstream_read_timeout_s)"
            ) from e
        except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected) as e:
            if may_repeat:
                raise _Stale from e
            raise UpstreamProtocolError(f"Streamlit closed the connection: {e!r}") from e
        except (OSError, http.client.HTTPException, ValueError) as e:
            raise UpstreamProtocolError(f"no valid answer from Streamlit: {e!r}") from e

    def close(self) -> None:
        """Close the idle connections."""
        self.pool.close()


class _Stale(UpstreamError):
    """A reused connection turned out to be closed."""


def _send(connection: Connection, request: GatewayRequest) -> bool:
    """Send a request; return whether all of it was wanted."""
    assert request.method is not None
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.fields:
        connection.putheader(name, value.encode("latin-1", "replace"))
    if request.body_chunks is None:
        connection.endheaders()
        return True
    chunked = request.body_length is None
    connection.putheader(
        *(
            ("Transfer-Encoding", "chunked")
            if chunked
            else ("Content-Length", str(request.body_length))
        )
    )
    connection.endheaders()
    try:
        pieces = _chunked(request.body_chunks) if chunked else request.body_chunks
        return _send_body(connection.sock, pieces)
    except (BrokenPipeError, ConnectionResetError):
        # It has answered without waiting for the rest, and closed the connection; the
        # answer is there to be read.
        return False


def _chunked(body: Iterable[bytes]) -> Iterator[bytes]:
    # An empty chunk would be the last one.
    for chunk in filter(None, body):
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def _send_body(sock: socket.socket, pieces: Iterable[bytes]) -> bool:
    """Send a body; return ``False`` if the rest of it is neither wanted nor taken.

    A server that refuses a body (413, 403) need not read it (RFC 9112 9.5). Whoever sends on
    then waits for a reader that never comes, with the answer unread.
    """
    timeout = sock.gettimeout()
    poller = select.poll()
    poller.register(sock, select.POLLIN | select.POLLOUT)
    for piece in pieces:
        left = memoryview(piece)
        while left:
            ready = poller.poll(None if timeout is None else timeout * 1000)
            if not ready:
                raise TimeoutError
            if ready[0][1] != select.POLLIN:
                left = left[sock.send(left) :]
            elif sock.recv(10, socket.MSG_PEEK)[9:] in (b"1", b"2"):
                # By its status it's no refusal: the server is only slow.
                poller.modify(sock, select.POLLOUT)
            else:
                return False
    return True


def _response(
    request: requests.PreparedRequest, answer: http.client.HTTPResponse, body: UpstreamBody
) -> requests.Response:
    """Return a response in requests' words.

    :raise ValueError: It isn't one that can be passed on.
    """
    check_response(body.fields)
    if not (_headers.are_wellformed(body.fields) and _headers.is_plain(answer.reason)):
        raise ValueError("a header field is malformed")
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.reason
    response.headers = CaseInsensitiveDict(body.fields)
    response.request = request
    response.raw = body
    return response
