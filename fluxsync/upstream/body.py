"""The body of Streamlit's response, on its way to the client."""

from __future__ import annotations

import typing as t

from ..exceptions import UpstreamProtocolError, UpstreamTimeout
from ..sansio.bodies import LengthBody, UnboundedBody

if t.TYPE_CHECKING:
    import socket

    from ..sansio.bodies import Body
    from ..sansio.http1 import Head
    from .connections import Connection, Pool

#: Bytes per read: so many that 300 kB cost few calls, and what is there is passed on at once.
MAX_READ = 256 * 1024


class Detached(t.NamedTuple):
    """A response that somebody else reads on."""

    #: The connection to Streamlit. A limit for silence may be set on it.
    socket: socket.socket
    #: What has been read of the body and not been given out.
    buffered: bytes
    #: Bytes that are still to be read; ``None`` is all until the connection's end.
    remaining: int | None


class UpstreamBody:
    """A response's body, as the bytes came; a WSGI server may iterate over it.

    Give it back with :meth:`close`; a body that wasn't read to its end takes its connection
    with it.

    :param body: Knows where the body ends.
    :param early: What came of the body together with the head.
    :param keep: Whether the connection may carry another request afterwards.
    """

    __slots__ = ("_body", "_connection", "_early", "_keep", "_pool", "head")

    def __init__(
        self,
        head: Head,
        body: Body,
        early: bytes,
        connection: Connection,
        pool: Pool,
        *,
        keep: bool,
    ) -> None:
        self.head = head
        self._body = body
        self._connection: Connection | None = connection
        self._pool = pool
        self._keep = keep
        self._early = body.feed(early) if early else b""

    @property
    def remaining(self) -> int | None:
        """Bytes that are still to be given out; ``None`` if that isn't known."""
        body = self._body
        return len(self._early) + body.left if isinstance(body, LengthBody) else None

    def __iter__(self) -> t.Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return what arrives next.

        :raise UpstreamTimeout: Streamlit was silent for too long.
        :raise UpstreamProtocolError: It ended before its announced end.
        """
        early = self._early
        if early:
            self._early = b""
            return early
        body = self._body
        while not body.complete:
            if body.error or self._connection is None:
                raise UpstreamProtocolError(f"the response broke off {body.error}")
            data = self._receive(self._connection)
            if not data:
                body.end()
            elif piece := body.feed(data):
                return piece
        self.close()
        raise StopIteration

    @property
    def is_complete(self) -> bool:
        """Whether all of it has been given out."""
        return self._body.complete and not self._early

    def put_back(self, data: bytes) -> None:
        """Have something be given out next: what has been, or what is to be in its place."""
        self._early = data + self._early

    def stream(self, size: int = MAX_READ, decode_content: bool = False) -> t.Iterator[bytes]:
        """Return the pieces as they arrive, whatever their size; for :mod:`requests`."""
        return self

    def prefetch(self) -> None:
        """Wait for the first piece, while a failure can still be told to the client.

        A WSGI server sends the head with the first piece, so nobody gets it any later.

        :raise UpstreamError: There's none, although there should be.
        """
        if not self._early:
            self._early = next(self, b"")

    def _receive(self, connection: Connection) -> bytes:
        try:
            return connection.sock.recv(MAX_READ)
        except (BlockingIOError, TimeoutError) as e:
            raise UpstreamTimeout(
                "Streamlit fell silent within a response (gateway_upstream_read_timeout_s)"
            ) from e
        except OSError as e:
            raise UpstreamProtocolError(f"the response broke off: {e!r}") from e

    def detach(self) -> Detached:
        """Leave the connection, and the rest of the body, to the caller.

        Afterwards this body is as if closed, and :meth:`close` closes nothing.

        :raise ValueError: The body is chunked, or closed, or was iterated over to its end.
        """
        body, connection = self._body, self._connection
        if connection is None or not isinstance(body, (LengthBody, UnboundedBody)):
            raise ValueError("only the rest of a body that isn't chunked can be left to others")
        buffered, self._early, self._connection = self._early, b"", None
        remaining = body.left if isinstance(body, LengthBody) else None
        return Detached(connection.sock, buffered, remaining)

    def close(self) -> None:
        """Let go of the connection; it's closed unless the body was read to its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # What came behind the body would be the answer to somebody's next request.
        if self._keep and self._body.complete and not self._body.rest:
            self._pool.give_back(connection)
        else:
            connection.close()

    release_conn = close
