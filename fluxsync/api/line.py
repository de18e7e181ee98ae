"""The client's connection below an API WebSocket."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading
import time
import typing as t

if t.TYPE_CHECKING:
    from ..bridges.tls import TlsSocket

#: Milliseconds that a poll takes at most: a closed socket doesn't wake everybody everywhere.
_TURN = 5000


class Line:
    """Looks like a blocking socket to simple-websocket, which takes too much of one for granted.

    It sends with a single ``send()`` and doesn't look how much went out, from two threads. Here,
    :meth:`send` only puts bytes in line, so that whoever makes frames can do both under one
    lock, and :meth:`flush` writes them, all of them, in one thread at a time. Until
    :meth:`attach`, there's no connection, and so nothing is written.

    :param timeout: Longest silence of a client that is to take something, in seconds; 0 is no
        limit.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._sock: socket.socket | TlsSocket | None = None
        self._waiting = bytearray()
        self._early = b""
        self._changed = threading.Condition()
        #: OpenSSL isn't for two threads.
        self._using = threading.Lock()
        self._is_writing = False
        self._is_broken = False
        #: What has been put in line, and how much of it was written, in bytes.
        self._put = self._written = 0
        #: How many bytes of frames have come from the client, and how many have gone to it.
        self.bytes_in = self.bytes_out = 0

    def attach(self, sock: socket.socket | TlsSocket, early: bytes, fields: bytes) -> None:
        """Write to this connection from now on.

        :param early: What the client has sent already.
        :param fields: Header fields that the answer gets, with which everything begins.
        """
        sock.setblocking(False)
        status, _, rest = bytes(self._waiting).partition(b"\r\n")
        self._waiting[:] = status + b"\r\n" + fields + rest
        self._put = len(self._waiting)
        # The answer isn't a frame.
        self.bytes_out = -self._put
        self._early, self._sock = early, sock

    # What simple-websocket calls

    def send(self, data: bytes) -> int:
        """Put bytes in line."""
        with self._changed:
            self._waiting += data
            self._put += len(data)
        return len(data)

    def recv(self, size: int) -> bytes:
        """Return what has come; nothing at the end.

        :raise OSError: The connection is broken.
        """
        while True:
            if self._early:
                data, self._early = self._early[:size], self._early[size:]
            else:
                try:
                    data = self._read(size)
                except BlockingIOError:
                    self.wait(None)
                    continue
            self.bytes_in += len(data)
            return data

    def close(self) -> None:
        """Do nothing yet: what was sent last must arrive. See :meth:`hang_up`."""

    def wait(self, timeout: float | None) -> bool:
        """Write what is in line, and return whether something can be read."""
        self.flush(wait=False)
        if self._early:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._is_broken:
            left = _TURN if deadline is None else (deadline - time.monotonic()) * 1000
            if self._poll(select.POLLIN, min(_TURN, max(0.0, left))):
                return True
            if left <= 0:
                return False
        return True

    # What fluxsync calls

    def flush(self, *, wait: bool = True) -> None:
        """Write what is in line.

        :param wait: Whether to wait where another thread is writing it.
        :raise OSError: The client has gone, or doesn't take it.
        """
        if self._sock is None:
            return
        with self._changed:
            end = self._put
            while self._is_writing:
                if not wait:
                    return  # that thread writes this, too
                self._changed.wait()
                if self._written >= end:
                    return
            if self._is_broken:
                raise BrokenPipeError(errno.EPIPE, "the connection is broken")
            self._is_writing = True
        try:
            self._write_all()
        except OSError:
            self.abort()
            raise
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                data = bytes(self._waiting)
                self._waiting.clear()
                if not data:
                    # Under the same lock under which others find out that this is writing.
                    self._is_writing = False
                    self._changed.notify_all()
                    return
            self._write(data)
            with self._changed:
                self._written += len(data)
                self._changed.notify_all()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        patience = self._timeout or float("inf")
        silent_since = time.monotonic()
        while view:
            if self._is_broken:
                raise BrokenPipeError(errno.EPIPE, "the connection is broken")
            try:
                with self._using:
                    sent = self._socket.send(view)
            except BlockingIOError:
                if time.monotonic() - silent_since > patience:
                    raise TimeoutError("the client takes nothing") from None
                self._poll(select.POLLOUT, min(_TURN, patience * 1000))
            else:
                view = view[sent:]
                self.bytes_out += sent
                silent_since = time.monotonic()

    def _read(self, size: int) -> bytes:
        if self._is_broken:
            return b""
        buffer = bytearray(size)
        with self._using:
            count = self._socket.recv_into(buffer)
        return bytes(buffer[:count])

    @property
    def _socket(self) -> socket.socket | TlsSocket:
        assert self._sock is not None
        return self._sock

    def _poll(self, event: int, milliseconds: float) -> bool:
        file = self._socket.fileno()
        if file < 0:
            return True
        poller = select.poll()
        poller.register(file, event)
        return bool(poller.poll(milliseconds))

    def abort(self) -> None:
        """Break the connection off; whoever reads or writes finds out."""
        self._is_broken = True
        if self._sock is not None:
            with contextlib.suppress(OSError), self._using:
                self._sock.shutdown(socket.SHUT_RDWR)

    def hang_up(self, timeout: float) -> None:
        """Close the connection when the client has, so that it gets what was sent last.

        Nobody else may use it any more.

        :param timeout: How many seconds the client has for it.
        """
        deadline = time.monotonic() + timeout
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0 and not self._is_broken:
                if self._poll(select.POLLIN, min(_TURN, left * 1000)):
                    with contextlib.suppress(BlockingIOError):
                        if not self._read(65536):
                            break
        self._socket.close()
