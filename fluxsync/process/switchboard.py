"""The supervisor's Unix socket with all its connections.

Belongs to the supervisor's main thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import typing as t

from .channel import Channel, is_own_user

if t.TYPE_CHECKING:
    import collections
    import pathlib

    from .wire import Message

logger = logging.getLogger("fluxsync.supervisor")


class Switchboard:
    """Accepts connections, passes their messages on, and sends answers as they're taken.

    :param selector: Where sockets are watched; the data of a key is what is to be called.
    :param obey: Called with each message, whose files it gets.
    """

    def __init__(
        self, selector: selectors.BaseSelector, obey: t.Callable[[Channel, Message], None]
    ) -> None:
        self._selector = selector
        self._obey = obey
        self._channels: set[Channel] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path: pathlib.Path | None = None

    @property
    def workers(self) -> tuple[Channel, ...]:
        """The connections of gateway workers."""
        return tuple(channel for channel in self._channels if channel.is_worker)

    def open(self, path: pathlib.Path) -> None:
        """Listen.

        :param path: Path of the socket; what lies there was left by one that was killed.
        """
        path.unlink(missing_ok=True)
        self._listener.bind(os.fspath(path))
        path.chmod(0o600)
        self._path = path
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def refuse(self) -> None:
        """Take no more connections: whoever wants a supervisor waits for the next one."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def send(self, channel: Channel, data: t.Mapping[str, t.Any]) -> None:
        """Send a message, now or as soon as it's taken."""
        if channel in self._channels:
            if channel.send(data):
                self._watch(channel)
            else:
                self._drop(channel)

    def pass_on(self, waiting: collections.deque[dict[str, t.Any]]) -> None:
        """Send messages to one of the workers, whichever; they wait while there's none."""
        workers = self.workers
        while workers and waiting:
            self.send(workers[0], waiting.popleft())

    def close(self) -> None:
        """Close all connections."""
        for channel in tuple(self._channels):
            self._drop(channel)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            if not is_own_user(sock) or self._path is None:
                sock.close()
                return
            channel = Channel(sock)
            self._channels.add(channel)
            self._selector.register(sock, selectors.EVENT_READ, lambda: self._serve(channel))

    def _serve(self, channel: Channel) -> None:
        messages = channel.receive()
        if messages is None or not channel.flush():
            self._drop(channel)
            return
        self._watch(channel)
        for message in messages:
            try:
                self._obey(channel, message)
            except Exception:
                # Of another version, say: an upgrade leaves this process as it is. It must
                # not end all Streamlit sessions.
                logger.exception("message not understood")
                self._drop(channel)

    def _watch(self, channel: Channel) -> None:
        """Wait until the peer takes more, if there's more."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if channel.waiting else 0)
        key = self._selector.get_key(channel.sock)
        if key.events != events:
            self._selector.modify(channel.sock, events, key.data)

    def _drop(self, channel: Channel) -> None:
        if channel in self._channels:
            self._channels.discard(channel)
            self._selector.unregister(channel.sock)
            channel.close()
