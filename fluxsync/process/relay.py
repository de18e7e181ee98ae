"""What the supervisor needs of a relay, which it doesn't know otherwise."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import collections

    from ..sansio import closecodes
    from ..sansio.admission import Full
    from .wire import Message


class Relay(t.Protocol):
    """What the supervisor needs of a relay."""

    def adopt(self, message: Message) -> None:
        """Take over what a worker hands over, and the message's files."""

    def configure(self, limits: t.Mapping[str, t.Any]) -> None:
        """Treat what comes from now on like this."""

    def close_all(self, close: closecodes.Close, grace: float) -> None:
        """Say goodbye on all WebSockets."""

    def counts(self) -> dict[str, int]:
        """Return the number of open WebSockets of each replica."""

    def tunnels(self) -> dict[str, dict[str, int]]:
        """Return the number of open tunnels by transport, and by why they're needed."""

    def report(self) -> dict[str, t.Any]:
        """Return what was counted here, and which requests ended here last."""

    @property
    def closed(self) -> collections.deque[dict[str, t.Any]]:
        """Messages for any worker about WebSockets that are closed, whose span it makes."""

    @property
    def transfers(self) -> int:
        """Number of uploads and downloads that go on."""

    @property
    def full(self) -> Full:
        """Whose WebSockets would be refused."""
