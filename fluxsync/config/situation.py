"""Settings with what is around them: files, variables, the host."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from .platform import find_platform

if t.TYPE_CHECKING:
    import pathlib

    from .platform import Platform
    from .settings import FluxSyncSettings


@dataclasses.dataclass(frozen=True)
class Situation:
    """What rules look at.

    :ivar directory: Working directory, in which files with settings are.
    :ivar environ: Variables of the process that serves.
    """

    settings: FluxSyncSettings
    directory: pathlib.Path
    environ: t.Mapping[str, str]

    @property
    def platform(self) -> Platform:
        """The host around the process."""
        return find_platform(self.environ, self.settings.gateway_port)

    @property
    def is_open(self) -> bool:
        """Whether other machines can connect."""
        return not is_loopback(self.settings.gateway_host)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own, for itself alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
