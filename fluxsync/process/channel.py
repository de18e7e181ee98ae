"""One worker's connection, seen from the supervisor."""

from __future__ import annotations

import os
import socket
import struct
import typing as t

from . import wire

#: A worker that doesn't read its tables is cut off when so much waits for it.
_MAX_WAITING = 1024 * 1024


class Channel:
    """A connection that never blocks. Belongs to the supervisor's main thread."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        #: Process id that the worker said.
        self.pid = 0
        #: Whether it's a gateway worker, and not a command.
        self.is_worker = False
        self.waiting = bytearray()
        self._receiver = wire.Receiver()

    def receive(self) -> list[wire.Message] | None:
        """Return the messages that came; ``None`` if the connection is over."""
        try:
            return self._receiver.receive(self.sock)
        except BlockingIOError:
            return []
        except (OSError, wire.WireError):
            return None

    def send(self, data: t.Mapping[str, t.Any]) -> bool:
        """Send a message as soon as it's taken; ``False`` if the connection is over."""
        self.waiting += wire.encode(data)
        return self.flush() and len(self.waiting) <= _MAX_WAITING

    def flush(self) -> bool:
        """Send what is waiting; ``False`` if the connection is over."""
        try:
            while self.waiting:
                del self.waiting[: self.sock.send(self.waiting)]
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close it, and what came with incomplete messages."""
        self._receiver.close()
        self.sock.close()


def is_own_user(sock: socket.socket) -> bool:
    """Whether the peer runs as this user, or as root.

    The directory's mode keeps others out; this holds where it was changed by hand.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (os.getuid(), 0)
