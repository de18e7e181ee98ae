"""The settings of one application, merged from all sources."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t
from urllib.parse import urlsplit

import pydantic

from ..exceptions import ConfigError
from ..sansio import rootpath
from ..sansio.paths import is_under, normalize_mount
from ..sansio.rootpath import RootPath
from . import sources
from .explaining import explain
from .groups import (
    AddressSettings,
    HopSettings,
    IdentitySettings,
    OperationsSettings,
    PageSettings,
    ProtectionSettings,
    ServingSettings,
    TunnelSettings,
    WebSocketSettings,
)
from .masking import secrets, shown

if t.TYPE_CHECKING:
    import typing_extensions as te

    from ..sansio.forwarding import Network


#: Where a proxy on the same machine connects from.
LOOPBACK = ("127.0.0.0/8", "::1/128")


class FluxSyncSettings(
    # The last one's fields come first: see groups.GROUPS.
    IdentitySettings,
    PageSettings,
    TunnelSettings,
    WebSocketSettings,
    HopSettings,
    ProtectionSettings,
    AddressSettings,
    OperationsSettings,
    ServingSettings,
):
    """Settings of one application, merged from all sources and validated.

    Arguments win over the environment and files, and lose against the command line. In the
    environment a setting is ``FLUXSYNC_`` and its name in upper case; in ``fluxsync.toml``
    it's the name. Lists are JSON or separated by commas.

    :raise ConfigError: A value is wrong, a name unknown, or a file unreadable.
    """

    _origins: dict[str, str] = pydantic.PrivateAttr(default_factory=dict)

    def __init__(self, **values: t.Any) -> None:
        found = sources.collect(values, type(self).model_fields)
        try:
            super().__init__(**{name: f.value for name, f in found.items()})
        except pydantic.ValidationError as e:
            raise explain(e, found, type(self).model_fields) from None
        self._origins = {name: f.source for name, f in found.items()}
        if self.streamlit_script and self.streamlit_upstream:
            self._refuse("streamlit_script", "nothing, as streamlit_upstream is set: choose one")
        if is_under(self.gateway_prometheus_metrics_path, self.api_mount_path):
            self._refuse("gateway_prometheus_metrics_path", "a path that isn't the API's")
        public = self._public_path
        if public and self.root_path and public != self.root_path:
            self._refuse("root_path", f"{public}, as in public_base_url, or nothing")
        if conflict := self.conflict():
            self._refuse(*conflict)
        if hidden := rootpath.hides(self.root.path, self.api_mount_path):
            other = "" if hidden != self.api_mount_path else ", or another api_mount_path"
            self._refuse(self.root.rule, f"another path, as {hidden} is taken{other}")

    def _refuse(self, name: str, expected: str) -> t.NoReturn:
        """Refuse a value that goes ill with another one."""
        raise ConfigError(name, self.shown(name), source=self.source(name), expected=expected)

    def __repr_args__(self) -> t.Iterator[tuple[str, t.Any]]:
        # Pages write settings, and logs have them.
        return ((name, self.shown(name)) for name in type(self).model_fields)

    def shown(self, name: str) -> t.Any:
        """Return a setting's value without secrets."""
        return shown(type(self).model_fields[name].metadata, getattr(self, name))

    def secrets(self) -> frozenset[str]:
        """Return what must not be seen anywhere: the secrets themselves, and passwords of URLs."""
        fields = type(self).model_fields.items()
        found = (secrets(field.metadata, getattr(self, name)) for name, field in fields)
        return frozenset(itertools.chain.from_iterable(found))

    def with_values(self, **values: t.Any) -> te.Self:
        """Return a copy with other values, which the program's code says.

        :raise ConfigError: A value is wrong.
        """
        copy = type(self)(**{**self.model_dump(), **values})
        copy._origins = {**self._origins, **dict.fromkeys(values, "code")}
        return copy

    def source(self, name: str) -> str:
        """Return where a setting's value comes from."""
        return self._origins.get(name, "default")

    @property
    def root(self) -> RootPath:
        """The root path that is set, and by which setting."""
        if self.root_path or self.source("root_path") != "default":
            return RootPath(self.root_path, "root_path")
        if self.public_base_url:
            return RootPath(self._public_path, "public_base_url")
        return rootpath.NONE

    @property
    def _public_path(self) -> str:
        return normalize_mount(urlsplit(self.public_base_url).path)

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """Networks of trusted proxies; empty if none is trusted."""
        networks = self.forwarded_allow_ips or (LOOPBACK if self.trust_proxy else ())
        return tuple(ipaddress.ip_network(network, strict=False) for network in networks)
