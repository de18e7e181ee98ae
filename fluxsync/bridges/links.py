"""One WebSocket in the relay: its two sockets, and what happens on them.

Belongs to the relay's thread, which alone calls in here.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
import typing as t

from ..sansio import closecodes, frames
from ..sansio.closing import Closing, Step
from ..sansio.keepalive import Action, Keepalive, Seen
from .polling import READ
from .sides import Side

if t.TYPE_CHECKING:
    import socket

    from .limits import Limits
    from .loop import Loop
    from .polling import Connection

logger = logging.getLogger("fluxsync.websocket")

WEBSOCKET = "websocket"


@dataclasses.dataclass(frozen=True)
class Session:
    """What is known about a WebSocket besides its bytes."""

    #: Id of the request that opened it.
    id: str
    replica: str
    client: str = ""
    path: str = ""
    #: ``Sec-WebSocket-Extensions`` of the 101.
    extensions: str = ""
    #: ``websocket``, or ``tunnel`` if the client's end is one.
    transport: str = WEBSOCKET
    #: What its span belongs to (W3C Trace Context); ``None`` if nobody wants one.
    trace: dict[str, str] | None = None


class Link:
    """The two ends of a WebSocket.

    :param loop: Whose thread this belongs to.
    :param over: Called once both ends are closed.
    """

    __slots__ = (
        "_closing",
        "_counted",
        "_keepalive",
        "_over",
        "client",
        "error",
        "limits",
        "loop",
        "session",
        "started",
        "transport",
        "unsettled",
        "upstream",
    )

    def __init__(
        self,
        loop: Loop,
        session: Session,
        limits: Limits,
        sockets: tuple[Connection, socket.socket],
        over: t.Callable[[Link], None],
    ) -> None:
        self.loop = loop
        self.session = session
        #: How the client's bytes come and go now; a tunnel has several ways.
        self.transport = session.transport
        self.limits = limits
        self._over = over
        bits = frames.allowed_reserved_bits(session.extensions)
        client, upstream = sockets
        self.client = Side(
            client,
            "client",
            self,
            frames.FrameTracker(
                masked=True,
                reserved_bits=bits,
                max_frame=limits.max_frame,
                max_message=limits.max_message,
            ),
        )
        self.upstream = Side(
            upstream, "streamlit", self, frames.FrameTracker(masked=False, reserved_bits=bits)
        )
        self.client.other, self.upstream.other = self.upstream, self.client
        self.started = time.monotonic()
        #: What broke, if anything did.
        self.error = ""
        #: Whether something has changed that :meth:`settle` has to look at.
        self.unsettled = True
        #: How many bytes of each direction metrics have.
        self._counted = (0, 0)
        self._closing = Closing()
        self._keepalive = Keepalive(
            limits.ping_interval, limits.ping_timeout, limits.idle_timeout, loop.now
        )

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both ends."""
        return self.client, self.upstream

    def start(self, answer: bytes, to_client: bytes, to_upstream: bytes) -> None:
        """Send what goes first.

        :param answer: The client's 101, if it's to get one.
        :param to_client: What Streamlit sent right behind its own.
        :param to_upstream: What the client sent before it saw the 101.
        """
        if self.session.transport == WEBSOCKET:
            # Who makes a tunnel of it knows more, and says it.
            logger.info("websocket opened", extra=self.facts())
        self.loop.add(self)
        for side in self.sides:
            # Only now, after the hand-over: O_NONBLOCK belongs to the open file, which the
            # WSGI server had until then.
            side.sock.setblocking(False)
        self.client.ask_whether_alive()
        # Both in one piece, wherever that matters.
        self.client.out += answer
        for side, data in ((self.upstream, to_client), (self.client, to_upstream)):
            if data:
                side.take(data)
        if self.client.out:
            self.client.flush()
        self.settle()

    def end_of(self, side: Side) -> None:
        """Note that a side has closed its direction."""
        if side is self.upstream and side.tracker.close is None and not self.client.eof:
            self._closing.break_off()
        self.expect_end()

    def expect_end(self) -> None:
        """Note that a side has spoken its last word, or takes nothing more."""
        self.unsettled = True
        self._end_within(self.limits.close_timeout)

    def refuse(self, side: Side, violation: closecodes.Close) -> None:
        """End the WebSocket, as a side has said what it may not say."""
        if not self._closing.refuse(violation):
            return
        self.unsettled = True
        if side is self.upstream:
            self.say_goodbye(violation, self.limits.close_timeout)
            return
        side.speak(frames.close_frame(violation, mask=os.urandom(4)))
        self._closing.await_answer(self.loop.now)
        self._end_within(self.limits.close_timeout)

    def say_goodbye(self, close: closecodes.Close, grace: float) -> None:
        """End the WebSocket with a close frame in each direction.

        :param grace: Seconds after which it's dropped.
        """
        self._closing.say(close)
        self.settle()
        self._end_within(grace)

    def settle(self) -> None:
        """Do what follows from what has happened: say goodbye, wait for other events, end."""
        self.unsettled = False
        close = self._closing.own
        if close is not None:
            # Each close frame goes between two frames, as soon as that's possible.
            if self.upstream.may_close:
                self.upstream.speak(frames.close_frame(close))
            if self.client.may_close:
                self.client.speak(frames.close_frame(close, mask=os.urandom(4)))
        for side in self.sides:
            side.settle()
        if all(side.eof and not side.other.out for side in self.sides):
            self.drop()
            return
        for side in self.sides:
            side.watch()
        self.unsettled = close is not None

    def check(self, now: float) -> float | None:
        """Do what is due: ping, give up, or end what is idle."""
        step = self._closing.due(now)
        if step is Step.DROP:
            self.drop("the other side did not close in time")
            return None
        if step is Step.SPEAK:
            self.settle()
        elif self._closing.deadline() is None:
            self._keep_alive(now)
        deadline = self._closing.deadline()
        return deadline if deadline is not None else self._keepalive.deadline(now, self._seen())

    def _keep_alive(self, now: float) -> None:
        action = self._keepalive.due(now, self._seen())
        if action is Action.PING:
            self.client.send(frames.ping_frame())
            self.settle()
        elif action is Action.GIVE_UP:
            self.drop("the client does not answer a ping")
        elif action is Action.END_IDLE:
            idle = closecodes.Close(closecodes.GOING_AWAY, "idle")
            self.say_goodbye(idle, self.limits.close_timeout)

    def _seen(self) -> Seen:
        activity = 0
        for side in self.sides:
            tracker = side.tracker
            activity += tracker.messages + (0 if tracker.at_boundary else tracker.bytes)
        return Seen(
            sent_at=self.client.sent_at,
            moved_at=max(self.client.sent_at, self.upstream.sent_at),
            received=self.client.tracker.bytes,
            activity=activity,
            busy=bool(self.client.out) or not self.upstream.tracker.at_boundary,
            stuck=bool(self.client.out),
            unread=not self.client.events & READ,
        )

    def _end_within(self, seconds: float) -> None:
        if self._closing.end_by(self.loop.now + seconds):
            self.loop.look(self)

    def fail(self, reason: str) -> None:
        """End at once."""
        self.drop(reason)

    def drop(self, error: str = "") -> None:
        """Close both ends."""
        if self not in self.loop.tasks:
            return
        self.loop.remove(self)
        self.unsettled = False
        for side in self.sides:
            side.close()
        self.error = self.error or error
        facts = {**self.facts(), **self.outcome()}
        kind = self.session.transport
        logging.getLogger(f"fluxsync.{kind}").info("%s closed", kind, extra=facts)
        self._over(self)

    def facts(self) -> dict[str, object]:
        """Return what identifies it in logs."""
        return {
            "request_id": self.session.id,
            "replica": self.session.replica,
            "client": self.session.client,
            "path": self.session.path,
            "transport": self.transport,
        }

    def uncounted(self) -> tuple[int, int]:
        """Return how many bytes each side has said since this was last called."""
        bytes_in, bytes_out = (side.tracker.bytes for side in self.sides)
        before_in, before_out = self._counted
        self._counted = bytes_in, bytes_out
        return bytes_in - before_in, bytes_out - before_out

    @property
    def close_code(self) -> int:
        """How it ended (RFC 6455 7.1.5)."""
        return self._end()[0].code

    def outcome(self) -> dict[str, t.Any]:
        """Return how it ended, and what it has cost."""
        close, by = self._end()
        said = any(side.tracker.close is not None for side in self.sides)
        return {
            "code": close.code,
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

    def _end(self) -> tuple[closecodes.Close, str]:
        return self._closing.outcome(self.client.tracker.close, self.upstream.tracker.close)
