"""Who may open another WebSocket. No I/O."""

from __future__ import annotations

import collections
import dataclasses
import ipaddress
import typing as t

#: A WebSocket has a socket on either side.
_FILES_EACH = 2


def file_limit(nofile: int) -> int:
    """Return how many WebSockets fit into a limit of open files; at least one.

    Something is left for everything else: transfers, workers, logs, Streamlit's output.

    :param nofile: Soft ``RLIMIT_NOFILE``; negative is no limit (``RLIM_INFINITY``).
    """
    if nofile < 0:
        nofile = 1 << 31  # descriptors are ints
    reserve = min(max(nofile // 8, 64), 1024)
    return max((nofile - reserve) // _FILES_EACH, 1)


def _network(client: str) -> str:
    """Return what counts as one client; ``""`` if that isn't known.

    With IPv6, it's the /64: everyone has at least that many addresses (RFC 6177 2).
    """
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


@dataclasses.dataclass(frozen=True)
class Full:
    """Who would be refused at one moment.

    The supervisor pushes it whenever it changes, so that workers refuse a client before they
    ask Streamlit.
    """

    #: Whether everybody is.
    total: bool = False
    #: Clients that have as many WebSockets as one may have: IPv4 addresses and IPv6 networks.
    clients: frozenset[str] = frozenset()

    def reason(self, client: str) -> str:
        """Return why a client is refused, or ``""``.

        :param client: IP address; ``""`` if it isn't known.
        """
        if self.total:
            return "too many WebSockets are open (gateway_ws_max_connections)"
        if self.clients and _network(client) in self.clients:
            return "too many WebSockets of one client (gateway_ws_max_connections_per_client)"
        return ""

    def to_json(self) -> dict[str, t.Any]:
        """Return it as JSON types."""
        return {"total": self.total, "clients": sorted(self.clients)}

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Full:
        """Undo :meth:`to_json`."""
        return cls(data["total"], frozenset(data["clients"]))


class Admission:
    """Counts open WebSockets.

    Not thread-safe: it belongs to whoever relays them. A limit of 0 is no limit.

    :param total: Most WebSockets of all clients.
    :param per_client: Most WebSockets of one client. One whose address isn't known is counted
        in the total only.
    """

    def __init__(self, total: int, per_client: int) -> None:
        self._open = 0
        self._clients: collections.Counter[str] = collections.Counter()
        self.set_limits(total, per_client)

    def set_limits(self, total: int, per_client: int) -> None:
        """Apply other limits from now on; whoever is in stays."""
        self._total = total
        self._per_client = per_client
        self._full = frozenset(client for client in self._clients if self._is_full(client))

    def admit(self, client: str) -> str:
        """Count another one, and return ``""``; or return why it's refused.

        :param client: IP address; ``""`` if it isn't known.
        """
        reason = self.full().reason(client)
        if not reason:
            self._count(client, 1)
        return reason

    def leave(self, client: str) -> None:
        """Forget one that was admitted."""
        self._count(client, -1)

    def reserve(self, change: int) -> None:
        """Count more that have as many files as a WebSocket, or fewer, full or not."""
        self._open += change

    def full(self) -> Full:
        """Return who would be refused now."""
        return Full(0 < self._total <= self._open, self._full)

    def _count(self, client: str, change: int) -> None:
        self._open += change
        network = _network(client)
        if not network:
            return
        self._clients[network] += change
        if self._is_full(network) != (network in self._full):
            self._full ^= {network}
        if not self._clients[network]:
            del self._clients[network]

    def _is_full(self, network: str) -> bool:
        return 0 < self._per_client <= self._clients[network]
