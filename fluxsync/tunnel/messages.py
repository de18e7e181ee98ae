"""What gateway workers tell the supervisor about requests to tunnels. Travels as JSON."""

from __future__ import annotations

import dataclasses
import typing as t

from ..bridges.links import Session
from ..sansio.exchanges import Ask, Opening
from .registry import Claim

if t.TYPE_CHECKING:
    import socket

    from .registry import Tunnels
    from .replies import Caller


@dataclasses.dataclass(frozen=True)
class Probing:
    """A request that finds out what the way to a page can do."""

    key: str
    is_ack: bool

    def serve(self, tunnels: Tunnels, caller: Caller, data: bytes, _: list[socket.socket]) -> None:
        """Answer it."""
        probes = tunnels.probes
        (probes.acknowledge if self.is_ack else probes.begin)(self.key, caller)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A WebSocket whose handshake is done upstream, for a tunnel; its socket comes along."""

    claim: Claim
    opening: Opening
    session: Session
    #: Whether the browser gets its cookie with the answer.
    is_new: bool

    def serve(
        self, tunnels: Tunnels, caller: Caller, data: bytes, sockets: list[socket.socket]
    ) -> None:
        """Open the tunnel."""
        (upstream,) = sockets
        tunnels.open(
            self.claim, self.opening, self.session, upstream, data, caller, is_new=self.is_new
        )


@dataclasses.dataclass(frozen=True)
class Exchanging:
    """A piece of a page's stream, which wants a piece of Streamlit's."""

    claim: Claim
    ask: Ask

    def serve(self, tunnels: Tunnels, caller: Caller, data: bytes, _: list[socket.socket]) -> None:
        """Answer it, or hold it."""
        tunnels.exchange(self.claim, self.ask, data, caller)


@dataclasses.dataclass(frozen=True)
class Closing:
    """The end of a page."""

    claim: Claim

    def serve(self, tunnels: Tunnels, caller: Caller, data: bytes, _: list[socket.socket]) -> None:
        """Close its tunnel."""
        tunnels.close(self.claim, caller)


Verb: t.TypeAlias = "Probing | Opened | Exchanging | Closing"


def encode(verb: Verb) -> dict[str, t.Any]:
    """Return JSON types."""
    return {"verb": type(verb).__name__, **dataclasses.asdict(verb)}


def decode(data: t.Mapping[str, t.Any]) -> Verb:
    """Undo :func:`encode`.

    :raise Exception: It's of another version.
    """
    name = data["verb"]
    if name == "Probing":
        return Probing(data["key"], data["is_ack"])
    claim = Claim(**data["claim"])
    if name == "Opened":
        protocols, transport, reason = data["opening"]
        opening = Opening(tuple(protocols), transport, reason)
        return Opened(claim, opening, Session(**data["session"]), data["is_new"])
    if name == "Exchanging":
        return Exchanging(claim, Ask(*data["ask"]))
    if name == "Closing":
        return Closing(claim)
    raise ValueError(f"a request to a tunnel of type {name!r}")
