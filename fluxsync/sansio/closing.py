"""The closing handshake of a relayed WebSocket (RFC 6455 1.4 and 7). No I/O.

Either end may begin it, and the other one answers: that passes like everything else. fluxsync
begins it where an end is silent, has gone, or has said what it may not say, and when it ends
itself. Then it speaks to both, each of whom takes it for the other.
"""

from __future__ import annotations

import enum

from . import closecodes
from .closecodes import Close

#: How long, in seconds, Streamlit may take to answer a close frame that was sent in the
#: client's place, before the client gets one from here.
ANSWER = 2.0


class Step(enum.Enum):
    """What has to be done now."""

    #: Say :attr:`Closing.own`: there is something, as Streamlit hasn't answered.
    SPEAK = "speak"
    #: Close the connections, whatever is missing.
    DROP = "drop"


class Closing:
    """Who has to say what at the end of one WebSocket, and by when. Times are in seconds."""

    __slots__ = ("_answer_by", "_drop_at", "own", "violation")

    def __init__(self) -> None:
        #: What fluxsync itself has to say, to each end that no close frame has gone to.
        self.own: Close | None = None
        #: What an end has been refused for.
        self.violation: Close | None = None
        #: When it's dropped, whatever is missing.
        self._drop_at: float | None = None
        #: When the client gets a close frame from here, if Streamlit's isn't there by then.
        self._answer_by: float | None = None

    def say(self, close: Close) -> None:
        """Say this to both ends, unless there is something to say already."""
        self.own = self.own or close

    def refuse(self, violation: Close) -> bool:
        """Note that an end has said what it may not say; return whether it's the first to."""
        if self.violation is not None or self.own is not None:
            return False
        self.violation = violation
        return True

    def await_answer(self, now: float) -> None:
        """Leave it to Streamlit to tell the client why it was refused, for a while.

        It may still be answering what came before; its answer to the close frame is behind that.
        """
        self._answer_by = now + ANSWER

    def break_off(self) -> None:
        """Note that Streamlit has ended its direction without a word, before the client has."""
        # If nobody has refused anything, it has crashed, or was restarted.
        self.say(self.violation or Close(closecodes.SERVICE_RESTART))

    def end_by(self, time: float) -> bool:
        """Have it dropped at this time, or earlier; return whether that's news."""
        if self._drop_at is not None and self._drop_at <= time:
            return False
        self._drop_at = time
        return True

    def due(self, now: float) -> Step | None:
        """Return what has to be done now, as if it's done at once."""
        if self._drop_at is not None and now >= self._drop_at:
            return Step.DROP
        if self._answer_by is not None and now >= self._answer_by:
            self._answer_by = None
            self.own = self.violation
            return Step.SPEAK
        return None

    def deadline(self) -> float | None:
        """Return when to ask again; ``None`` as long as nothing says that it ends."""
        times = [time for time in (self._drop_at, self._answer_by) if time is not None]
        return min(times, default=None)

    def outcome(self, client: Close | None, streamlit: Close | None) -> tuple[Close, str]:
        """Return how it has ended (RFC 6455 7.1.5), and who has said so; ``""`` is nobody.

        :param client: What the client's close frame said, if there was one.
        :param streamlit: What Streamlit's said.
        """
        for close, by in (
            (self.violation, "fluxsync"),
            (self.own, "fluxsync"),
            # Either of them may have been first; the other repeats the code.
            (client, "client"),
            (streamlit, "streamlit"),
        ):
            if close is not None:
                return close, by
        return Close(closecodes.ABNORMAL_CLOSURE), ""
