"""One end of a WebSocket in the relay.

Belongs to the relay's thread, which alone calls in here.
"""

from __future__ import annotations

import contextlib
import socket
import typing as t

from .polling import READ, WRITE

if t.TYPE_CHECKING:
    from ..sansio import frames
    from .links import Link
    from .polling import Connection

#: So much unsent makes the other side wait.
HIGH_WATER = 256 * 1024
#: When it's sent down to here, the other side goes on.
LOW_WATER = 64 * 1024
#: TCP's own questions (tcp(7)): after a minute of silence, six of them, 10 s apart.
_KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL, _KEEPALIVE_PROBES = 60, 10, 6


class Side:
    """One end of a WebSocket."""

    __slots__ = (
        "ended",
        "eof",
        "events",
        "link",
        "muted",
        "name",
        "other",
        "out",
        "pending",
        "sent_at",
        "sock",
        "tracker",
    )

    def __init__(
        self, sock: Connection, name: str, link: Link, tracker: frames.FrameTracker
    ) -> None:
        self.sock = sock
        self.name = name
        self.link = link
        self.other: Side
        #: Follows what this side says.
        self.tracker = tracker
        #: Waits to be written to this side.
        self.out = bytearray()
        #: When something was written to this side.
        self.sent_at = link.loop.now
        #: It has closed its direction.
        self.eof = False
        #: What it still says is thrown away: fluxsync has spoken its last word in its place.
        self.muted = False
        #: The direction towards it was closed.
        self.ended = False
        #: What the poller waits for.
        self.events = 0
        #: Says how much TLS has decrypted already, which no event announces.
        self.pending: t.Callable[[], int] | None = getattr(sock, "pending", None)

    def ask_whether_alive(self) -> None:
        """Have the kernel notice that the peer has vanished without a word.

        Pings do so too, but can be switched off, and don't overtake what it doesn't take.
        """
        with contextlib.suppress(OSError, AttributeError):  # a Unix socket; not on macOS
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_PROBES)

    def on_events(self, events: int) -> None:
        """Take what the poller has seen."""
        if events & WRITE:
            self.flush()
        # Errors and hang-ups are what a read says they are.
        if events != WRITE and not self.eof:
            self.receive()
            if self.pending is not None:
                self._receive_pending(self.pending)
        if self.link.unsettled:
            self.link.settle()

    def _receive_pending(self, pending: t.Callable[[], int]) -> None:
        while not self.eof and pending():
            self.receive()

    def receive(self) -> None:
        """Read once, and pass it to the other side."""
        loop, tracker = self.link.loop, self.tracker
        buffer = loop.buffer
        kept = tracker.held
        try:
            if kept:
                # The beginning of a frame that couldn't be judged yet.
                buffer[: len(kept)] = kept
                size = self.sock.recv_into(buffer[len(kept) :])
            else:
                size = self.sock.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError as e:
            self._break(e)
            return
        if not size:
            self.eof = True
            self.link.end_of(self)
        elif not self.muted:
            size += len(kept)
            data = buffer[:size]
            other = self.other
            passed = tracker.feed(data)
            if passed != size or other.out or other.ended or tracker.close is not None:
                self._pass_on(data[:passed])
                return
            # As in send(), but this is where relaying spends its time.
            try:
                sent = other.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError as e:
                other._stop_writing(e)
                return
            other.sent_at = loop.now
            if sent != size:
                other.send_later(data[sent:])

    def take(self, data: bytes) -> None:
        """Pass on what was read before."""
        view = memoryview(data)
        self._pass_on(view[: self.tracker.feed(view)])

    def _pass_on(self, data: memoryview) -> None:
        self.other.send(data)
        if self.tracker.violation is not None:
            self.link.refuse(self, self.tracker.violation)
        elif self.tracker.close is not None:
            self.link.expect_end()

    def send(self, data: bytes | memoryview) -> None:
        """Write to this side, now or as soon as it takes more."""
        if self.ended or not data:
            return
        sent = 0 if self.out else self._write(data)
        if sent < len(data):
            self.send_later(data[sent:])

    def send_later(self, data: bytes | memoryview) -> None:
        """Write to this side as soon as it takes more."""
        if not self.ended:
            self.out += data
        self.link.unsettled = True

    def flush(self) -> None:
        """Write what is waiting, as much as it takes."""
        del self.out[: self._write(self.out)]
        self.link.unsettled = True

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as e:
            self._stop_writing(e)
            return 0
        self.sent_at = self.link.loop.now
        return sent

    def _stop_writing(self, error: OSError) -> None:
        """Give up what was to be written: this side takes nothing more.

        What it has said before, a close frame, say, may still wait to be read.
        """
        self.link.error = self.link.error or f"{self.name}: {error.strerror or error}"
        self.ended = True
        self.out.clear()
        self.link.expect_end()

    def _break(self, error: OSError) -> None:
        """The connection is broken, and says nothing more."""
        self._stop_writing(error)
        self.eof = True
        self.link.end_of(self)

    def speak(self, frame: bytes) -> None:
        """Say a last word in this side's place, to the other one."""
        self.tracker.feed(frame)
        # RFC 6455 5.5.1: nothing may follow a close frame.
        self.muted = True
        self.other.send(frame)

    @property
    def may_close(self) -> bool:
        """Whether a close frame may be said in this side's place now."""
        return not self.muted and self.tracker.close is None and self.tracker.at_boundary

    def settle(self) -> None:
        """Close the direction towards this side, once nothing waits for it any more."""
        # RFC 6455 7.1.1: it's the server that closes first. Servers whose client does so may
        # throw away what they have yet to say.
        is_over = self.other.eof or (self.other.muted and self is self.link.client)
        if is_over and not self.ended and not self.out:
            self.ended = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def watch(self) -> None:
        """Wait for the events that matter now."""
        # A slow reader on the other side makes this one wait.
        limit = HIGH_WATER if self.events & READ else LOW_WATER
        reading = not self.eof and len(self.other.out) <= limit
        events = (READ if reading else 0) | (WRITE if self.out else 0)
        if events != self.events:
            self.link.loop.watch(self.sock, self.events, events, self)
            self.events = events

    def close(self) -> None:
        """Close this side."""
        if self.events:
            self.link.loop.watch(self.sock, self.events, 0, self)
            self.events = 0
        self.sock.close()

    def fail(self, reason: str) -> None:
        """End the WebSocket, as something went wrong here."""
        self.link.fail(reason)
