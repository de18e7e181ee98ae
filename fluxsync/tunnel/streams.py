"""Streamlit's stream as one response that doesn't end. Belongs to the relay's thread."""

from __future__ import annotations

import typing as t

from ..sansio import records
from .replies import Streamed

if t.TYPE_CHECKING:
    from ..bridges.loop import Loop
    from ..sansio.records import State
    from ..sansio.tunnel import Outgoing
    from .replies import Caller

#: How long a streamed response lasts, in seconds. The page asks for the next one then, which
#: shows that it's there, and hosts that allow a minute per response have nothing to cut.
_DURATION = 50.0


class StreamedTunnel(Streamed):
    """A streamed response of a tunnel.

    :param outgoing: What it brings.
    :param position: Where it begins.
    :param state: Returns where the tunnel stands; its argument is where this response does.
    """

    def __init__(
        self,
        loop: Loop,
        caller: Caller,
        left: t.Callable[[], None],
        outgoing: Outgoing,
        position: int,
        state: t.Callable[[int], State],
    ) -> None:
        super().__init__(loop, caller, left, _DURATION)
        self._outgoing = outgoing
        self._position = position
        self._state = state
        #: Whether it ends with what there is.
        self._is_last = False

    def start(self) -> None:
        """Say where the tunnel stands, and what there is."""
        super().start()
        self.write(self.sign_of_life())
        self.on_news()

    def sign_of_life(self) -> bytes:
        """Return where the tunnel stands."""
        return records.encode_state(self._state(self._position))

    def on_news(self) -> None:
        """Write what there's room for."""
        outgoing = self._outgoing
        while not self.is_over and self.room and self._position < outgoing.total:
            if self._position < outgoing.acknowledged:
                # The page had it from an earlier response.
                self._position = outgoing.acknowledged
                self.write(self.sign_of_life())
                continue
            data = outgoing.read(self._position, self.room)
            self._position += len(data)
            self.write(records.encode_data(data))
        if self._is_last and self._position >= outgoing.total:
            self.end()

    def on_room(self) -> None:
        """Write on."""
        self.on_news()

    def on_last(self) -> None:
        """Write what is left, and end."""
        self._is_last = True
        self.on_news()
