"""The responses that the supervisor writes itself. Belongs to the relay's thread.

No thread of a WSGI server waits for them: the page's connection was handed over, and ends with
its response.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..bridges.farewells import Farewell
from ..bridges.polling import READ, WRITE
from ..sansio import exchanges, records

if t.TYPE_CHECKING:
    import socket

    from ..bridges.loop import Loop
    from ..sansio.exchanges import Reply

#: Called with a response's status, the bytes of its body, and what went wrong, if anything did.
Over = t.Callable[[int, int, str], None]


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who waits for a response."""

    sock: socket.socket
    request_id: str
    #: Whether it speaks HTTP/1.1: then the end of a response of unknown length can be told.
    takes_chunks: bool
    over: Over

    def answer(self, loop: Loop, reply: Reply) -> Farewell:
        """Give it all of a response at once."""
        farewell = Farewell(loop, self.sock, reply.encode(self.request_id))
        farewell.start()
        self.over(reply.status, len(reply.body), "")
        return farewell


class Waiting:
    """A caller that has to wait, and may go away meanwhile.

    :param left: Called once when it's over, however it ends.
    """

    def __init__(self, loop: Loop, caller: Caller, left: t.Callable[[], None]) -> None:
        self._loop = loop
        self._caller = caller
        self._left = left
        self._events = 0
        #: Bytes of the body so far.
        self._size = 0
        #: What is still on its way once it's over.
        self._farewell: Farewell | None = None

    def start(self) -> None:
        """Begin."""
        self._caller.sock.setblocking(False)
        self._loop.add(self)
        self._watch(READ)

    @property
    def is_over(self) -> bool:
        """Whether it doesn't wait any more."""
        return self not in self._loop.tasks

    def on_events(self, events: int) -> None:
        """Take note of a caller that goes away."""
        if not events & ~WRITE:
            return
        try:
            # Its request was read as a whole. Whatever it says now isn't for us.
            gone = not self._caller.sock.recv_into(self._loop.buffer)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self.fail("client: went away")

    def check(self, now: float) -> float | None:
        """Do what is due."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """Break off."""
        if self._leave():
            self._caller.sock.close()
            self._caller.over(200, self._size, reason)

    def abandon(self) -> None:
        """Break off what the caller hasn't taken yet of an answer that's over."""
        if self._farewell is not None and not self._farewell.is_sent:
            self._farewell.fail("")

    def _leave(self) -> bool:
        """Stop waiting; return whether it did wait."""
        if self.is_over:
            return False
        self._loop.remove(self)
        self._watch(0)
        self._left()
        return True

    def _watch(self, events: int) -> None:
        if events != self._events:
            self._loop.watch(self._caller.sock, self._events, events, self)
            self._events = events


class LongPoll(Waiting):
    """A response that's given when there's something to say, or after a while.

    :param report: Returns its body.
    :param wait: How long it may take, in seconds.
    """

    #: What belongs together comes within so many seconds of its beginning: Streamlit answers
    #: a click with several messages, and each response costs the page a round trip.
    GATHER = 0.01

    def __init__(
        self,
        loop: Loop,
        caller: Caller,
        left: t.Callable[[], None],
        report: t.Callable[[], bytes],
        wait: float,
    ) -> None:
        super().__init__(loop, caller, left)
        self._report = report
        self._deadline = loop.now + wait

    def on_news(self) -> None:
        """Answer soon."""
        soon = self._loop.now + self.GATHER
        if soon < self._deadline:
            self._deadline = soon
            self._loop.look(self)

    def on_last(self) -> None:
        """Answer soon, whatever there is."""
        self.on_news()

    def check(self, now: float) -> float | None:
        """Answer if it's time."""
        if now < self._deadline:
            return self._deadline
        self.end()
        return None

    def end(self) -> None:
        """Answer now."""
        if self._leave():
            reply = exchanges.Reply(200, self._report())
            self._farewell = self._caller.answer(self._loop, reply)


class Streamed(Waiting):
    """A response without an end of its own, written as there's something to say."""

    #: So much may wait for the caller; the rest stays where it is.
    HIGH_WATER = 64 * 1024
    #: How long, in seconds, a caller may take nothing.
    STALL = 20.0

    def __init__(
        self, loop: Loop, caller: Caller, left: t.Callable[[], None], duration: float
    ) -> None:
        super().__init__(loop, caller, left)
        self._out = bytearray()
        #: When it began, something was written to the caller, and the caller took something.
        self._end_at = loop.now + duration
        self._spoke_at = self._moved_at = loop.now

    def start(self) -> None:
        """Send the head."""
        super().start()
        framing = "Transfer-Encoding: chunked" if self._caller.takes_chunks else ""
        self._out += exchanges.Reply(200, b"").head(self._caller.request_id, framing)

    @property
    def room(self) -> int:
        """How many bytes may be written now."""
        return max(0, self.HIGH_WATER - len(self._out))

    def write(self, data: bytes) -> None:
        """Continue the body."""
        self._size += len(data)
        if not self._out:
            self._moved_at = self._loop.now
        if self._caller.takes_chunks:
            self._out += b"%x\r\n%b\r\n" % (len(data), data)
        else:
            self._out += data
        self._spoke_at = self._loop.now
        self.flush()

    def flush(self) -> None:
        """Give the caller what it takes."""
        if self.is_over:
            return
        try:
            while self._out:
                del self._out[: self._caller.sock.send(self._out)]
                self._moved_at = self._loop.now
        except BlockingIOError:
            pass
        except OSError as e:
            self.fail(f"client: {e.strerror or e}")
            return
        self._watch(READ | (WRITE if self._out else 0))

    def on_events(self, events: int) -> None:
        """Write on."""
        super().on_events(events)
        if events & WRITE and not self.is_over:
            self.flush()
            self.on_room()

    def on_room(self) -> None:
        """Say more, if there is more."""

    def check(self, now: float) -> float | None:
        """Give a sign of life, end what is old, and give up what isn't read."""
        if self._out and now >= self._moved_at + self.STALL:
            self.fail("client: timed out")
            return None
        if now >= self._end_at:
            self.end()
            return None
        if now >= self._spoke_at + exchanges.KEEPALIVE and not self._out:
            self.write(self.sign_of_life())
        sign_at = max(self._spoke_at + exchanges.KEEPALIVE, now + 1.0)
        return min(self._end_at, sign_at, self._moved_at + self.STALL)

    def sign_of_life(self) -> bytes:
        """Return what is said when there's nothing to say."""
        return records.encode_state(records.State())

    def end(self) -> None:
        """End the response properly."""
        if not self._leave():
            return
        last = bytes(self._out) + (b"0\r\n\r\n" if self._caller.takes_chunks else b"")
        self._out.clear()  # the loop's agenda keeps this object for a while
        self._farewell = Farewell(self._loop, self._caller.sock, last)
        self._farewell.start()
        self._caller.over(200, self._size, "")

    def fail(self, reason: str) -> None:
        """Break off."""
        self._out.clear()
        super().fail(reason)
