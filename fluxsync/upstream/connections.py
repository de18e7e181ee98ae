"""Connections to one Streamlit server, kept and reused."""

from __future__ import annotations

import collections
import contextlib
import http.client
import select
import socket
import time

from ..exceptions import UpstreamTimeout, UpstreamUnavailable

#: uvicorn closes a connection that was idle for 5 s (``timeout_keep_alive``). A request on
#: its way meets a closed door then, so idle ones are given up earlier.
MAX_IDLE = 4.0


class FinalResponse(http.client.HTTPResponse):
    """A response whose interim ones (RFC 9110 15.2) are skipped, 103 too."""

    def begin(self) -> None:
        """Read heads until one is final."""
        super().begin()
        while self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("101, which nobody asked for")
            vars(self)["headers"] = None  # as if nothing had been read yet
            super().begin()


def open_socket(address: tuple[str, int], timeout: float | None) -> socket.socket:
    """Connect to Streamlit.

    :param timeout: Seconds; ``None`` is no limit. It's the socket's afterwards, too.
    :raise UpstreamTimeout: It takes longer.
    :raise UpstreamUnavailable: It's refused.
    """
    name = f"{address[0]}:{address[1]}"
    try:
        sock = socket.create_connection(address, timeout=timeout)
    except TimeoutError as e:
        raise UpstreamTimeout(
            f"no connection to {name} in time (gateway_upstream_connect_timeout_s)"
        ) from e
    except OSError as e:
        raise UpstreamUnavailable(f"no connection to {name}: {e}") from e
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Connection(http.client.HTTPConnection):
    """An HTTP/1.1 connection to Streamlit."""

    response_class = FinalResponse
    #: Whether it has carried a request before.
    reused = False
    idle_since = 0.0

    def connect(self) -> None:
        """Open the connection.

        :raise UpstreamTimeout: It takes longer than the connect timeout.
        :raise UpstreamUnavailable: It is refused.
        """
        self.sock = open_socket((self.host, self.port), self.timeout)

    def is_stale(self) -> bool:
        """Whether the other side has closed it, or sent what nobody asked for."""
        if self.sock is None or time.monotonic() - self.idle_since > MAX_IDLE:
            return True
        poller = select.poll()
        poller.register(self.sock, select.POLLIN)
        return bool(poller.poll(0))


class Pool:
    """Idle connections to one server, the one used last first.

    Thread-safe without a lock: a deque's ``append`` and ``pop`` are atomic.

    :param connect_timeout: Seconds; ``None`` is no limit.
    :param read_timeout: Longest silence in seconds; ``None`` is no limit.
    :param maxsize: How many idle connections are kept.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_timeout: float | None,
        read_timeout: float | None,
        maxsize: int,
    ) -> None:
        self.host = host
        self.port = port
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._idle: collections.deque[Connection] = collections.deque(maxlen=maxsize or None)
        self._keep = maxsize > 0

    def take(self) -> Connection:
        """Return an open connection, an idle one if there is any.

        :raise UpstreamError: There's none to be had.
        """
        while (connection := self._pop()) is not None:
            if not connection.is_stale():
                return connection
            connection.close()
        return self.open()

    def _pop(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def open(self) -> Connection:
        """Return a new connection."""
        connection = Connection(self.host, self.port, timeout=self._connect_timeout)
        connection.connect()
        connection.sock.settimeout(self._read_timeout)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose response has been read to its end."""
        if not self._keep or connection.sock is None:
            connection.close()
            return
        connection.reused = True
        connection.idle_since = time.monotonic()
        if len(self._idle) == self._idle.maxlen:
            with contextlib.suppress(IndexError):
                self._idle.popleft().close()
        self._idle.append(connection)

    def close(self) -> None:
        """Close all idle connections."""
        while (connection := self._pop()) is not None:
            connection.close()
