"""One tunnel: a page's end of a WebSocket, which comes and goes with requests.

Belongs to the relay's thread.
"""

from __future__ import annotations

import logging
import typing as t

from ..sansio import closecodes, exchanges, records
from ..sansio.tunnel import Incoming, Outgoing
from .ends import End
from .replies import LongPoll
from .streams import StreamedTunnel

if t.TYPE_CHECKING:
    import socket

    from ..bridges.links import Link
    from ..bridges.loop import Loop
    from ..sansio.exchanges import Ask
    from .replies import Caller, Waiting

logger = logging.getLogger("fluxsync.tunnel")

#: How long, in seconds, a page may take to fetch the end.
_LAST_CALL = 10.0
#: How long a tunnel waits for its first exchange: the page may never have heard its id.
_FIRST_CALL = 15.0
#: What the relay may send while nobody wants it any more.
_DISCARDED = 64 * 1024


class Held(t.Protocol):
    """A response that waits for something to say."""

    def on_news(self) -> None:
        """Take note of something to say."""

    def on_last(self) -> None:
        """Take note that there won't be any more."""

    def end(self) -> None:
        """End it properly."""

    def fail(self, reason: str) -> None:
        """Break it off."""


class Tunnel:
    """The two streams of one tunnel.

    :param loop: Whose thread this belongs to.
    :param sock: One end of a socket pair; the relay has the other.
    :param window: Most bytes that are kept in each direction.
    :param timeout: How long, in seconds, its page may be silent.
    :param over: Called once when the tunnel is to be forgotten.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        window: int,
        timeout: float,
        over: t.Callable[[], None],
    ) -> None:
        self._loop = loop
        self._window = window
        self._timeout = timeout
        self._over = over
        #: Its WebSocket in the relay.
        self.link: Link
        self._end = End(loop, sock, self)
        self._outgoing = Outgoing(window)
        self._incoming = Incoming()
        self._held: Held | None = None
        #: The last one that waited, which may still be on its way to a slow page.
        self._last: Waiting | None = None
        self._heard_at = loop.now
        #: How long the page may be silent now.
        self._patience = min(_FIRST_CALL, timeout)
        #: When it ends because it's old.
        self._end_at: float | None = None
        #: The page is gone: nobody fetches anything more.
        self.is_left = False
        #: Transport that the page uses now.
        self.transport = ""
        #: Called with the number of bytes whenever it keeps more.
        self.on_growth: t.Callable[[int], None] = lambda size: None

    def start(self, link: Link, max_age: float) -> None:
        """Begin.

        :param max_age: Seconds after which it ends; 0 is no limit.
        """
        self.link = link
        if max_age:
            self._end_at = self._loop.now + max_age
        self._loop.add(self)
        self._end.watch()

    @property
    def kept(self) -> int:
        """How many bytes it keeps."""
        return self._outgoing.kept + self._end.unsent

    # What the page asks

    def exchange(self, ask: Ask, data: bytes, caller: Caller) -> None:
        """Take a piece of the page's stream, and answer with Streamlit's.

        :raise OutOfWindow: A position isn't one where the streams are; nothing is answered.
        """
        if ask.limit:
            # Without, an older request may have overtaken a later one: nothing is lost.
            self._outgoing.read(ask.received, 0)
        self._outgoing.acknowledge(ask.received)
        fresh = self._incoming.accept(ask.sent, data, self._window - self._end.unsent)
        self._listen(self._timeout)
        self._end.send(fresh)
        self.on_growth(len(fresh))
        if not ask.limit:
            caller.answer(self._loop, exchanges.Reply(200, self._report(ask.received, 0)))
        else:
            self._note_transport(ask.mode)
            # Of the responses that wait, the newest one counts.
            self._release()
            if self._last is not None:
                # Who asks again doesn't wait for it, and it would only use memory.
                self._last.abandon()
            self._answer(ask, caller)
        if self._end.is_over and not self._outgoing.kept:
            self.forget()
        elif not self._end.is_over:
            self._end.watch()

    def _answer(self, ask: Ask, caller: Caller) -> None:
        is_there = self._outgoing.total > ask.received or self._end.is_over
        if ask.wait and ask.mode == exchanges.STREAM:
            stream = StreamedTunnel(
                self._loop, caller, self._forget_held, self._outgoing, ask.received, self._state
            )
            self._held = self._last = stream
            stream.start()
            if self._end.is_over:
                stream.on_last()
        elif ask.wait:
            self._held = self._last = poll = LongPoll(
                self._loop,
                caller,
                self._forget_held,
                lambda: self._report(ask.received, ask.limit),
                ask.wait,
            )
            poll.start()
            if is_there:
                poll.end()
        else:
            caller.answer(self._loop, exchanges.Reply(200, self._report(ask.received, ask.limit)))

    def leave(self, code: int = closecodes.GOING_AWAY) -> None:
        """End it, as the page is gone, or has to go: Streamlit is told in its place."""
        if not self.is_left:
            self.is_left = True
            self._release()
            self._outgoing = Outgoing(self._window)
            self._listen(_LAST_CALL)
            self._end.say_goodbye(code)
            self._end.watch()
            self._loop.look(self)

    def _listen(self, patience: float) -> None:
        """Take note of a sign of life.

        :param patience: Seconds that it may take until the next one.
        """
        self._heard_at = self._loop.now
        self._patience = patience

    def _note_transport(self, mode: str) -> None:
        if self.transport not in ("", mode):
            facts = {**self.link.facts(), "transport": mode}
            logger.debug("tunnel changes transport", extra=facts)
        self.transport = self.link.transport = mode

    def _release(self) -> None:
        if self._held is not None:
            self._held.end()

    def _forget_held(self) -> None:
        self._held = None

    def _state(self, position: int) -> records.State:
        return records.State(position, self._incoming.received, self._outgoing.total)

    def _report(self, position: int, limit: int) -> bytes:
        """Return the records of a whole response."""
        # It may have been acknowledged while this response waited.
        position = max(position, self._outgoing.acknowledged)
        data = self._outgoing.read(position, min(limit, exchanges.PIECE))
        return records.encode_state(self._state(position)) + records.encode_data(data)

    # What the relay says

    @property
    def room(self) -> int:
        """How many bytes of Streamlit's are taken now."""
        return _DISCARDED if self.is_left else self._outgoing.room

    def take(self, data: bytes) -> None:
        """Keep bytes of Streamlit's until the page has them."""
        if not self.is_left:
            self._outgoing.append(data)
            if self._held is not None:
                self._held.on_news()
            self.on_growth(len(data))

    def on_end(self) -> None:
        """Let the page fetch what was said last."""
        if self.is_left or not self._outgoing.kept:
            self.forget()
            return
        self._listen(_LAST_CALL)
        if self._held is not None:
            self._held.on_last()
        self._loop.look(self)

    # Its end

    def check(self, now: float) -> float | None:
        """End what nobody asks for any more, and what is too old."""
        if self._end_at is not None and now >= self._end_at:
            self._end_at = None
            if self.link in self._loop.tasks:
                close = closecodes.Close(closecodes.TRY_AGAIN_LATER, "gateway_tunnel_max_age_s")
                self.link.say_goodbye(close, self.link.limits.close_timeout)
        if self._held is not None and not self._end.is_over:
            # A request of its waits here.
            self._heard_at = now
        if now >= self._heard_at + self._patience:
            if self._end.is_over or self.is_left:
                self.forget()
                return None
            logger.debug("page of a tunnel is silent", extra=self.link.facts())
            self.leave()
        deadline = self._heard_at + self._patience
        return deadline if self._end_at is None else min(deadline, self._end_at)

    def forget(self) -> None:
        """Drop what is left."""
        if self in self._loop.tasks:
            self._loop.remove(self)
            self._release()
            # The agenda keeps this for a while, but not what nobody fetches any more.
            self._outgoing.acknowledge(self._outgoing.total)
            self._end.close()
            self._over()

    def fail(self, reason: str) -> None:
        """End at once."""
        if self._held is not None:
            # No farewell: the loop may not go on.
            self._held.fail(reason)
        self.forget()
