"""All settings, with their meaning, unit and default; one module per subject."""

from __future__ import annotations

from .addresses import AddressSettings
from .hops import HopSettings
from .identity import IdentitySettings
from .operations import OperationsSettings
from .pages import PageSettings
from .protection import ProtectionSettings
from .serving import ServingSettings
from .tunnels import TunnelSettings
from .websockets import WebSocketSettings

#: In the order in which people read about them.
GROUPS = (
    ServingSettings,
    OperationsSettings,
    AddressSettings,
    ProtectionSettings,
    HopSettings,
    WebSocketSettings,
    TunnelSettings,
    PageSettings,
    IdentitySettings,
)

__all__ = [
    "GROUPS",
    "AddressSettings",
    "HopSettings",
    "IdentitySettings",
    "OperationsSettings",
    "PageSettings",
    "ProtectionSettings",
    "ServingSettings",
    "TunnelSettings",
    "WebSocketSettings",
]
