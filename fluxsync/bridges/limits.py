"""What the relay allows, and how patient it is."""

from __future__ import annotations

import dataclasses
import typing as t

from ..sansio.admission import file_limit


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of open connections; times in seconds, sizes in bytes, 0 is no limit.

    Plain numbers, since they travel to the supervisor as JSON.
    """

    #: A browser gets a ping when nothing was sent to it for so long.
    ping_interval: float = 20.0
    #: It's gone if nothing comes from it for so long after a ping.
    ping_timeout: float = 20.0
    #: How long a peer may keep its side open after the other has closed.
    close_timeout: float = 10.0
    #: A WebSocket without messages ends after so long.
    idle_timeout: float = 0.0
    #: Largest message and frame of a client.
    max_message: int = 0
    max_frame: int = 0
    #: WebSockets of this process, and of one client address.
    max_connections: int = 0
    max_connections_per_client: int = 0
    #: How long a client may be silent within an upload, or take nothing of a download.
    client_timeout: float = 60.0
    #: How long Streamlit may be silent within a response.
    upstream_timeout: float = 120.0
    #: Most bytes that a tunnel keeps in each direction.
    tunnel_window: int = 1024 * 1024
    #: Tunnels of this process, and bytes that all of them keep.
    max_tunnels: int = 0
    max_tunnel_bytes: int = 0
    #: How long a tunnel may hear nothing of its page, and how old it may get.
    tunnel_timeout: float = 120.0
    max_tunnel_age: float = 0.0

    def transfer_limits(self, *, waits_for_client: bool) -> tuple[float, float]:
        """Return the limit that holds in a transfer now, and the one that doesn't."""
        both = self.client_timeout, self.upstream_timeout
        return both if waits_for_client else both[::-1]

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Limits:
        """Return them from JSON types; names that this version doesn't know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def within(self, files: int) -> Limits:
        """Return them with no more WebSockets than a process can have open.

        :param files: Its limit of open files (``RLIMIT_NOFILE``).
        """
        room = file_limit(files)
        return dataclasses.replace(
            self,
            max_connections=min(self.max_connections or room, room),
            # They have twice as many: a socket pair more, and the response that waits.
            max_tunnels=min(self.max_tunnels or room, max(room // 2, 1)),
        )


def look_again(now: float, moved_at: float, limit: float, other: float) -> float | None:
    """Return when to look at a transfer again; ``None`` is never.

    :param moved_at: When something has moved last.
    :param limit: How long nothing may move, as it is now.
    :param other: The same when the transfer comes to wait for the other end.
    """
    times = ((moved_at, limit), (now, other))
    return min((since + seconds for since, seconds in times if seconds), default=None)
