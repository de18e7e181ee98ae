"""When a silent WebSocket is pinged, given up, or ended as idle. No I/O.

Platforms cut connections on which nothing is sent (Heroku after 55 s, Azure after 29 s to
240 s), and a peer that vanished without a word is noticed only by asking it.
"""

from __future__ import annotations

import enum
import typing as t


class Seen(t.NamedTuple):
    """What has happened on a WebSocket so far."""

    #: When something was sent to the client.
    sent_at: float
    #: When something was sent in either direction.
    moved_at: float
    #: Bytes that have come from the client.
    received: int
    #: A number that changes with each message, and with each byte of one that isn't over.
    activity: int
    #: Whether something large is on its way to the client, which a ping can't overtake.
    busy: bool
    #: Whether the client has yet to take what was sent before.
    stuck: bool = False
    #: Whether nothing is read from the client, as Streamlit has to take something first.
    unread: bool = False


class Action(enum.Enum):
    """What has to be done now."""

    PING = "ping"
    #: The client didn't answer a ping, or takes nothing, so that none can be sent.
    GIVE_UP = "give up"
    #: Nobody has said anything for too long.
    END_IDLE = "end idle"


class Keepalive:
    """Watches one WebSocket. Times are in seconds; a limit of 0 is no limit.

    :param interval: Silence towards the client after which it's pinged.
    :param timeout: How long it may take to answer; whatever comes from it is an answer.
    :param idle: How long there may be no message in either direction.
    :param now: When it was opened.
    """

    __slots__ = ("_activity", "_asked", "_idle", "_idle_since", "_interval", "_timeout")

    def __init__(self, interval: float, timeout: float, idle: float, now: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._idle = idle
        self._idle_since = now
        self._activity = 0
        #: When the ping was sent that is unanswered, and what had been received by then.
        self._asked: tuple[float, int] | None = None

    def due(self, now: float, seen: Seen) -> Action | None:
        """Return what has to be done now, as if it's done at once."""
        if self._is_idle(now, seen):
            return Action.END_IDLE
        if not self._interval:
            return None
        if self._asked is not None:
            answered = seen.received != self._asked[1]
            if answered or seen.unread or seen.stuck:
                self._asked = None
        patience = self._patience(seen)
        if patience is not None and now >= patience:
            return Action.GIVE_UP
        if now >= seen.sent_at + self._interval and not seen.busy:
            self._asked = self._asked or (now, seen.received)
            return Action.PING
        return None

    def deadline(self, now: float, seen: Seen) -> float | None:
        """Return when to ask again, later than now; ``None`` is never."""
        times = []
        if self._interval:
            times.append(max(seen.sent_at, now if seen.busy else 0.0) + self._interval)
        patience = self._patience(seen)
        if patience is not None:
            times.append(patience)
        if self._idle:
            times.append(self._idle_since + self._idle)
        # Due already, but it couldn't be done.
        return max(min(times), now + 0.05) if times else None

    def _patience(self, seen: Seen) -> float | None:
        """Return when the client is given up if nothing changes."""
        if not self._interval or not self._timeout:
            return None
        if seen.stuck:
            # What it hasn't taken is as good as a ping that was sent after the interval.
            return seen.sent_at + self._interval + self._timeout
        return None if self._asked is None else self._asked[0] + self._timeout

    def _is_idle(self, now: float, seen: Seen) -> bool:
        if not self._idle:
            return False
        if seen.activity != self._activity:
            # A ping or pong since then counts too, as they can't be told apart afterwards.
            self._activity = seen.activity
            self._idle_since = max(self._idle_since, seen.moved_at)
        return now >= self._idle_since + self._idle
