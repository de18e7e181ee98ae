"""URLs, and who is believed about them."""

from __future__ import annotations

from pydantic import Field

from ..fields import ApiMount, Headers, Mount, Networks, Origins, Url
from .group import Group


class AddressSettings(Group):
    """URLs, and who is believed about them."""

    api_mount_path: ApiMount = Field("/api", description="Path of the API.")
    root_path: Mount = Field("", description="Path under which a proxy publishes all this.")
    public_base_url: Url = Field("", description="URL that browsers see, with the root path.")
    strict_public_base_url: bool = Field(
        False, description="Refuse to start while it's unclear what public_base_url is."
    )
    internal_api_base: Url = Field(
        "", description="URL at which pages reach the API; found by itself if empty."
    )
    allowed_origins: Origins = Field(
        (), description="Other origins whose pages may use the WebSocket and unsafe methods."
    )
    trust_proxy: bool = Field(
        False, description="Believe the forwarding headers of a proxy on this machine."
    )
    forwarded_allow_ips: Networks = Field(
        (), description="Networks of proxies whose forwarding headers are believed."
    )
    identity_headers: Headers = Field(
        (), description="More header names that only a trusted proxy may send."
    )
