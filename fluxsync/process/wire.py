"""Messages on the supervisor's Unix socket.

A message is a JSON object, some raw bytes, and open files:

.. code-block:: text

    !II   length of the JSON text, length of the bytes
    ...   JSON text; its "files" is the number of open files
    ...   bytes

Files travel with the first byte of their message (``SCM_RIGHTS``) and arrive in the order
of the messages, so a stream socket is enough; ``SOCK_SEQPACKET`` would be Linux only.
"""

from __future__ import annotations

import array
import collections
import json
import os
import socket
import struct
import typing as t

_HEAD = struct.Struct("!II")
#: Larger messages are refused. A handshake's head has 64 kB at most.
MAX_MESSAGE = 16 * 1024 * 1024
_MAX_FILES = 16
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class WireError(Exception):
    """What came isn't a message."""


class Message(t.NamedTuple):
    """One message; whoever gets it owns the files."""

    data: dict[str, t.Any]
    payload: bytes = b""
    files: tuple[int, ...] = ()

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            os.close(file)


def encode(data: t.Mapping[str, t.Any], payload: bytes = b"", files: int = 0) -> bytes:
    """Return a message's bytes."""
    text = json.dumps({**data, "files": files} if files else data).encode()
    return _HEAD.pack(len(text), len(payload)) + text + payload


def send(
    sock: socket.socket,
    data: t.Mapping[str, t.Any],
    payload: bytes = b"",
    files: t.Sequence[int] = (),
) -> None:
    """Send a message on a blocking socket. One thread at a time.

    :raise OSError: It's not sent as a whole; the connection is of no use any more.
    """
    message = encode(data, payload, len(files))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    sent = sock.sendmsg([message], rights)
    if sent < len(message):
        sock.sendall(memoryview(message)[sent:])


class Receiver:
    """Put messages together from what a socket gives."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._files: collections.deque[int] = collections.deque()

    def receive(self, sock: socket.socket) -> list[Message] | None:
        """Read once and return the messages that are complete; ``None`` at the end.

        :raise OSError: As ``recvmsg``.
        :raise WireError: What came isn't a message.
        """
        space = socket.CMSG_SPACE(_MAX_FILES * array.array("i").itemsize)
        data, ancillary, _, _ = sock.recvmsg(256 * 1024, space, _CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                files = array.array("i")
                files.frombytes(content[: len(content) - len(content) % files.itemsize])
                self._files.extend(files)
        if not data:
            return None
        self._data += data
        messages: list[Message] = []
        try:
            for message in self._messages():
                messages.append(message)
        except WireError:
            for message in messages:
                message.close()
            raise
        return messages

    def _messages(self) -> t.Iterator[Message]:
        while len(self._data) >= _HEAD.size:
            text, payload = _HEAD.unpack_from(self._data)
            end = _HEAD.size + text + payload
            if end > MAX_MESSAGE:
                raise WireError(f"a message of {end} bytes")
            if len(self._data) < end:
                return
            body = bytes(self._data[_HEAD.size : end])
            del self._data[:end]
            try:
                message = json.loads(body[:text])
            except (ValueError, RecursionError) as e:
                raise WireError(f"not a message: {e}") from e
            if not isinstance(message, dict):
                raise WireError("not a message: no JSON object")
            count = message.pop("files", 0)
            if not isinstance(count, int) or not 0 <= count <= len(self._files):
                raise WireError(f"{count} files announced, {len(self._files)} came")
            files = tuple(self._files.popleft() for _ in range(count))
            yield Message(message, body[text:], files)

    def close(self) -> None:
        """Close the files of messages that never became complete."""
        while self._files:
            os.close(self._files.popleft())
