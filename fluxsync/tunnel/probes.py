"""Find out what the way to a page can do, before a tunnel is opened on it.

A proxy may keep a response until it's complete, or let one request through at a time. The page
sees which: it asks for a response that doesn't end, and meanwhile asks again.
"""

from __future__ import annotations

import typing as t

from ..sansio import exchanges, records
from .replies import Streamed

if t.TYPE_CHECKING:
    from ..bridges.loop import Loop
    from .replies import Caller

#: How long, in seconds, a probe waits for the second request.
_PATIENCE = 1.0
#: More of them at once don't wait: their pages poll.
_MOST = 1000
_STATE = records.encode_state(records.State())


class Probes:
    """The probes that go on. Belongs to the relay's thread."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._waiting: dict[str, Streamed] = {}

    def begin(self, key: str, caller: Caller) -> None:
        """Answer the first request of a probe, and don't end."""
        if key in self._waiting:
            # Asked again, or answered twice on the way: the newest one counts.
            self._waiting[key].end()
        if len(self._waiting) >= _MOST:
            state = records.encode_state(records.State(), exchanges.NO_HOLD)
            caller.answer(self._loop, exchanges.Reply(200, state))
            return
        probe = Streamed(self._loop, caller, lambda: self._forget(key), _PATIENCE)
        self._waiting[key] = probe
        probe.start()
        probe.write(_STATE)

    def acknowledge(self, key: str, caller: Caller) -> None:
        """Answer the second one, and end the first."""
        probe = self._waiting.get(key)
        if probe is not None:
            probe.write(_STATE)
            probe.end()
        caller.answer(self._loop, exchanges.Reply(200, _STATE))

    def _forget(self, key: str) -> None:
        self._waiting.pop(key, None)
