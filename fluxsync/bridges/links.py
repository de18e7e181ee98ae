"""One WebSocket in the relay: its two sockets, and what happens on them.

Belongs to the relay's thread, which alone calls in here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
import typing as t

from ..sansio import closecodes, frames

#: So much unsent makes the other side wait.
HIGH_WATER = 256 * 1024
#: When it's sent down to here, the other side goes on.
LOW_WATER = 64 * 1024
#: How long, in seconds, a peer may keep its side open after the other has closed.
LINGER = 10.0


@dataclasses.dataclass(frozen=True)
class Session:
    """What is known about a WebSocket besides its bytes."""

    #: Id of the request that opened it.
    id: str
    replica: str
    client: str = ""
    path: str = ""


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
        "sock",
        "tracker",
    )

    def __init__(self, sock: socket.socket, name: str, link: Link) -> None:
        self.sock = sock
        self.name = name
        self.link = link
        self.other: Side
        #: Follows what this side says.
        self.tracker = frames.FrameTracker()
        #: Waits to be written to this side.
        self.out = bytearray()
        #: It has closed its direction.
        self.eof = False
        #: What it still says is thrown away: fluxsync has spoken its last word in its place.
        self.muted = False
        #: The direction towards it was closed.
        self.ended = False
        #: What the selector waits for.
        self.events = 0

    def receive(self, buffer: memoryview) -> None:
        """Read once, and pass it to the other side."""
        try:
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
            data = buffer[:size]
            self.tracker.feed(data)
            self.other.send(data)

    def send(self, data: bytes | memoryview) -> None:
        """Write to this side, now or as soon as it takes more."""
        if self.ended:
            return
        if not self.out and data:
            data = data[self._write(data) :]
        if not self.ended:
            self.out += data

    def flush(self) -> None:
        """Write what is waiting, as much as it takes."""
        del self.out[: self._write(self.out)]

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as e:
            self._break(e)
            return 0

    def _break(self, error: OSError) -> None:
        """The connection is broken: this side has ended, and takes nothing more."""
        self.link.error = self.link.error or f"{self.name}: {error.strerror or error!r}"
        self.eof = self.ended = True
        self.out.clear()
        self.link.end_of(self)

    def may_read(self, reading: bool) -> bool:
        """Whether to read on: a slow reader on the other side makes this one wait."""
        return not self.eof and len(self.other.out) <= (HIGH_WATER if reading else LOW_WATER)

    def end(self) -> None:
        """Close the direction towards this side, once nothing waits for it any more."""
        if not self.ended and not self.out and (self.other.eof or self.other.muted):
            self.ended = True
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)


class Link:
    """The two ends of a WebSocket."""

    __slots__ = ("client", "closing", "deadline", "error", "session", "started", "upstream")

    def __init__(self, session: Session, client: socket.socket, upstream: socket.socket) -> None:
        self.session = session
        self.client = Side(client, "client", self)
        self.upstream = Side(upstream, "streamlit", self)
        self.client.other, self.upstream.other = self.upstream, self.client
        self.started = time.monotonic()
        #: When it's dropped, whatever is missing.
        self.deadline: float | None = None
        #: What fluxsync itself has to say before the end.
        self.closing: closecodes.Close | None = None
        #: What broke, if anything did.
        self.error = ""

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both ends."""
        return self.client, self.upstream

    @property
    def is_over(self) -> bool:
        """Whether both have closed, and have got everything."""
        return all(side.eof and not side.other.out for side in self.sides)

    def end_of(self, side: Side) -> None:
        """Note that a side has closed its direction."""
        said = side.tracker.close or self.closing
        if side is self.upstream and not said and not self.client.eof:
            # Streamlit is gone without a word: it crashed, or was restarted.
            self.closing = closecodes.Close(closecodes.SERVICE_RESTART)
        self.end_within(LINGER)

    def end_within(self, seconds: float) -> None:
        """Have it dropped after a time, if it isn't over by then."""
        deadline = time.monotonic() + seconds
        self.deadline = min(self.deadline or deadline, deadline)

    def say_goodbye(self) -> None:
        """Put the close frame between two frames, in each direction where that's possible."""
        if self.closing is None:
            return
        if _may_close(self.upstream):
            self._speak_for(self.upstream, frames.close_frame(self.closing))
        if _may_close(self.client):
            self._speak_for(self.client, frames.close_frame(self.closing, mask=os.urandom(4)))

    @staticmethod
    def _speak_for(side: Side, frame: bytes) -> None:
        side.tracker.feed(frame)
        # RFC 6455 5.5.1: nothing may follow a close frame.
        side.muted = True
        side.other.send(frame)

    def facts(self) -> dict[str, object]:
        """Return what identifies it in logs."""
        return {
            "request_id": self.session.id,
            "replica": self.session.replica,
            "client": self.session.client,
            "path": self.session.path,
        }

    def outcome(self) -> dict[str, t.Any]:
        """Return how it ended, and what it has cost."""
        said = [side for side in self.sides if side.tracker.close is not None]
        if self.closing is not None:
            close, by = self.closing, "fluxsync"
        elif said:
            # Either of them may have been first; the other repeats the code.
            close, by = t.cast(closecodes.Close, said[0].tracker.close), said[0].name
        else:
            close, by = closecodes.Close(closecodes.ABNORMAL_CLOSURE), ""
        return {
            "close": str(close),
            # Once all was said, browsers may well reset the connection.
            "error": "" if said else self.error,
            "closed_by": by,
            "duration_seconds": time.monotonic() - self.started,
            "bytes_in": self.client.tracker.bytes,
            "bytes_out": self.upstream.tracker.bytes,
            "messages_in": self.client.tracker.messages,
            "messages_out": self.upstream.tracker.messages,
        }


def _may_close(side: Side) -> bool:
    return side.tracker.close is None and side.tracker.at_boundary
