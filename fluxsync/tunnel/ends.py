"""A tunnel's end of the socket pair whose other end the relay has.

The relay takes it for a browser's connection. So all that holds for WebSockets holds for
tunnels: limits, close codes, counts, logs. Belongs to the relay's thread.
"""

from __future__ import annotations

import typing as t

from ..bridges.polling import READ, WRITE
from ..sansio import closecodes, frames
from ..sansio.controls import PingFilter

if t.TYPE_CHECKING:
    import socket

    from ..bridges.loop import Loop

#: A mask that changes nothing. Masks protect proxies from scripts that choose the bytes on the
#: wire (RFC 6455 10.3); there's no proxy between here and the relay.
_MASK = bytes(4)


class Owner(t.Protocol):
    """Whose end it is."""

    @property
    def room(self) -> int:
        """How many bytes it takes now."""

    def take(self, data: bytes) -> None:
        """Take bytes of Streamlit's frames."""

    def on_end(self) -> None:
        """Take note that nothing more comes."""

    def fail(self, reason: str) -> None:
        """End at once."""


class End:
    """Speaks in a browser's place.

    :param sock: Closed by :meth:`close`.
    """

    def __init__(self, loop: Loop, sock: socket.socket, owner: Owner) -> None:
        self._loop = loop
        self._sock = sock
        self._owner = owner
        #: Comes from the page, and isn't taken yet.
        self._unsent = bytearray()
        self._pings = PingFilter()
        #: Payload of the last ping that waits for the end of a frame of the page's.
        self._pong: bytes | None = None
        #: Follows what the page says.
        self._tracker = frames.FrameTracker(masked=True)
        self._events = 0
        #: Nothing more comes.
        self.is_over = False
        sock.setblocking(False)

    @property
    def unsent(self) -> int:
        """How many bytes wait for the relay."""
        return len(self._unsent)

    def send(self, data: bytes) -> None:
        """Say what the page says."""
        if self.is_over:
            return
        # Requests are cut anywhere. A pong may be put in where the frame ends that has begun.
        end = self._tracker.left if self._pong is not None else 0
        for part in (data[:end], data[end:]):
            if part:
                self._tracker.feed(self._tracker.held + part)
                self._unsent += part
                self._answer_ping()
        self._flush()

    def say_goodbye(self, code: int) -> None:
        """Say the last word in the page's place, if it isn't within one of its own."""
        if self._may_speak:
            self.send(frames.close_frame(closecodes.Close(code), mask=_MASK))

    def on_events(self, events: int) -> None:
        """Take what the relay sends, and give it what it takes."""
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            self._receive()
        self.watch()

    def fail(self, reason: str) -> None:
        """End, as something went wrong here."""
        self._owner.fail(reason)

    def _receive(self) -> None:
        room = self._owner.room
        if self.is_over or not room:
            return
        try:
            size = self._sock.recv_into(self._loop.buffer[:room])
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.is_over = True
            self._owner.on_end()
            return
        data, pings = self._pings.feed(self._loop.buffer[:size])
        if pings:
            # RFC 6455 5.5.3: the last one counts.
            self._pong = pings[-1]
            self._answer_ping()
        if data:
            self._owner.take(data)

    @property
    def _may_speak(self) -> bool:
        """Whether a frame may be said in the page's place now."""
        tracker = self._tracker
        return tracker.at_boundary and not tracker.held and not tracker.is_over

    def _answer_ping(self) -> None:
        if self._pong is not None and self._may_speak:
            self._unsent += frames.pong_frame(self._pong, _MASK)
            self._pong = None
            self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            # The relay has closed its end: the next read tells.
            self._unsent.clear()

    def watch(self) -> None:
        """Wait for what matters now."""
        reading = READ if self._owner.room else 0
        self._wait_for(0 if self.is_over else reading | (WRITE if self._unsent else 0))

    def _wait_for(self, events: int) -> None:
        if events != self._events:
            self._loop.watch(self._sock, self._events, events, self)
            self._events = events

    def close(self) -> None:
        """Close it."""
        self.is_over = True
        self._wait_for(0)
        self._sock.close()
        self._unsent.clear()
