"""Connections to one Streamlit server, kept and reused."""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import struct
import time

from ..exceptions import UpstreamTimeout, UpstreamUnavailable

#: uvicorn closes a connection that was idle for 5 s (``timeout_keep_alive``). A request on
#: its way meets a closed door then, so idle ones are given up earlier.
MAX_IDLE = 4.0


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


def limit_silence(sock: socket.socket, timeout: float | None) -> None:
    """Let reads and writes fail after so many seconds.

    The kernel keeps the time where it can: with a time-out of Python's, each call polls the
    socket first. A call that takes too long raises :class:`BlockingIOError` then.
    """
    if timeout is not None and type(sock).__module__ == "socket":
        seconds = int(timeout)
        # Zero would be no limit.
        value = struct.pack("@ll", seconds, max(1, int((timeout - seconds) * 1e6)))
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)
            timeout = None
    # Below gevent's sockets are non-blocking ones, which those limits say nothing to.
    sock.settimeout(timeout)


class Connection:
    """An HTTP/1.1 connection to Streamlit.

    :param timeout: Longest silence in seconds; ``None`` is no limit.
    """

    __slots__ = ("_poller", "idle_since", "reused", "sock", "timeout")

    def __init__(self, sock: socket.socket, timeout: float | None) -> None:
        limit_silence(sock, timeout)
        self.sock = sock
        self.timeout = timeout
        #: Whether it has carried a request before.
        self.reused = False
        self.idle_since = 0.0
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)

    def is_stale(self) -> bool:
        """Whether the other side has closed it, or sent what nobody asked for."""
        return time.monotonic() - self.idle_since > MAX_IDLE or bool(self._poller.poll(0))

    def close(self) -> None:
        """Close it."""
        self.sock.close()


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
        sock = open_socket((self.host, self.port), self._connect_timeout)
        return Connection(sock, self._read_timeout)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection whose response has been read to its end."""
        if not self._keep:
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
