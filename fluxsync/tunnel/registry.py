"""All tunnels of an application, wherever their requests arrive.

They live in the supervisor: a page's requests may reach any gateway worker, and workers come
and go. Belongs to the relay's thread.
"""

from __future__ import annotations

import collections
import dataclasses
import logging
import socket
import typing as t

from ..sansio import closecodes, exchanges
from ..sansio.tunnel import OutOfWindow
from ..telemetry import metrics
from .probes import Probes
from .tunnels import Tunnel

if t.TYPE_CHECKING:
    from ..bridges.links import Session
    from ..bridges.relay import Relay
    from ..sansio.exchanges import Ask, Opening
    from .replies import Caller

logger = logging.getLogger("fluxsync.tunnel")

#: Bytes that tunnels may grow by before they're looked at.
_LOOK_EVERY = 1024 * 1024
#: What a page gets for a tunnel that isn't there, isn't there any more, or isn't its own: one
#: answer, which tells nothing of other browsers' tunnels.
_NOT_HERE = exchanges.problem(404, "there is no such tunnel (any more)")


@dataclasses.dataclass(frozen=True)
class Claim:
    """Which tunnel a request is for, and which browser says so."""

    id: str
    #: Value of the browser's cookie; ``""`` if it has none.
    browser: str


@dataclasses.dataclass
class _Entry:
    """A tunnel, and whose it is."""

    tunnel: Tunnel
    browser: str
    #: Whether the browser got its cookie with the tunnel. Its next request shows whether it
    #: keeps it, or sends one that another page of its got meanwhile.
    is_new: bool
    opening: Opening

    def is_of(self, browser: str) -> bool:
        """Whether this is the browser that opened it, and may still use it."""
        if self.tunnel.is_left:
            return False
        if self.is_new:
            self.is_new, self.browser = False, browser
        return self.browser == browser


class Tunnels:
    """Opens tunnels, finds them, and forgets them."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._entries: dict[str, _Entry] = {}
        #: By how many bytes tunnels have grown since they were last looked at.
        self._grown = 0
        self.probes = Probes(relay.loop)

    def open(
        self,
        claim: Claim,
        opening: Opening,
        session: Session,
        upstream: socket.socket,
        early: bytes,
        caller: Caller,
        *,
        is_new: bool,
    ) -> None:
        """Make a tunnel of a WebSocket whose handshake is done upstream.

        :param early: What Streamlit sent right behind its 101.
        :param is_new: Whether the browser gets its cookie with the answer.
        """
        loop, relay = self._relay.loop, self._relay
        reason = relay.full.reason(session.client) or self._full()
        if reason:
            upstream.close()
            caller.answer(loop, exchanges.problem(503, reason))
            return
        try:
            ours, theirs = socket.socketpair()
        except OSError as e:
            upstream.close()
            caller.answer(loop, exchanges.problem(503, f"no tunnel can be made: {e.strerror}"))
            return
        limits = relay.limits
        tunnel = Tunnel(
            loop,
            ours,
            limits.tunnel_window,
            limits.tunnel_timeout,
            lambda: self._forget(claim.id),
        )
        self._entries[claim.id] = _Entry(tunnel, claim.browser, is_new, opening)
        # The tunnel has its own way to find out that a page is gone.
        patient = dataclasses.replace(limits, ping_interval=0.0)
        link = relay.link(session, (theirs, upstream), b"", early, b"", patient)
        link.transport = opening.transport
        relay.reserve(1)
        why = exchanges.reason_label(opening.reason)
        relay.tally.add(metrics.FALLBACKS, opening.transport, why)
        tunnel.on_growth = self._grow
        tunnel.start(link, limits.max_tunnel_age)
        logger.info("tunnel opened", extra={**link.facts(), "reason": opening.reason})
        caller.answer(loop, exchanges.Reply(200, b""))

    def exchange(self, claim: Claim, ask: Ask, data: bytes, caller: Caller) -> None:
        """Take a piece of a page's stream, and answer with Streamlit's."""
        loop = self._relay.loop
        entry = self._entries.get(claim.id)
        if entry is None or not entry.is_of(claim.browser):
            caller.answer(loop, _NOT_HERE)
            return
        try:
            entry.tunnel.exchange(ask, data, caller)
        except OutOfWindow as e:
            caller.answer(loop, exchanges.problem(409, str(e)))

    def close(self, claim: Claim, caller: Caller) -> None:
        """End a tunnel whose page has gone."""
        entry = self._entries.get(claim.id)
        if entry is None or not entry.is_of(claim.browser):
            caller.answer(self._relay.loop, _NOT_HERE)
            return
        entry.tunnel.leave()
        caller.answer(self._relay.loop, exchanges.Reply(200, b""))

    def counts(self) -> dict[str, int]:
        """Return the number of open tunnels by their transport. Any thread may ask."""
        entries = self._entries.copy().values()
        return dict(collections.Counter(e.tunnel.transport or e.opening.transport for e in entries))

    def reasons(self) -> dict[str, int]:
        """Return the number of open tunnels by why they aren't WebSockets. Any thread may ask."""
        entries = self._entries.copy().values()
        return dict(collections.Counter(entry.opening.reason or "setting" for entry in entries))

    def _full(self) -> str:
        limits = self._relay.limits
        if len(self._entries) >= limits.max_tunnels > 0:
            return "too many tunnels are open (gateway_tunnel_max_tunnels)"
        kept = sum(entry.tunnel.kept for entry in self._entries.values())
        if kept >= limits.max_tunnel_bytes > 0:
            return "tunnels keep too many bytes (gateway_tunnel_max_bytes)"
        return ""

    def _grow(self, size: int) -> None:
        """See to it now and then that all of them together don't keep far too much."""
        self._grown += size
        limit = self._relay.limits.max_tunnel_bytes
        if self._grown < _LOOK_EVERY or not limit:
            return
        self._grown = 0
        tunnels = [entry.tunnel for entry in self._entries.values()]
        if sum(tunnel.kept for tunnel in tunnels) > limit + _LOOK_EVERY:
            # Its page takes nothing, or Streamlit takes nothing of it.
            largest = max(tunnels, key=lambda tunnel: tunnel.kept)
            reason = {"reason": "gateway_tunnel_max_bytes"}
            logger.warning("tunnel ends", extra={**largest.link.facts(), **reason})
            largest.leave(closecodes.TRY_AGAIN_LATER)

    def _forget(self, identity: str) -> None:
        if self._entries.pop(identity, None) is not None:
            self._relay.reserve(-1)
