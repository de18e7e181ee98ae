"""Pages without WebSockets."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import Header, Seconds
from .group import Group


class TunnelSettings(Group):
    """Pages without WebSockets."""

    gateway_transport: t.Literal["auto", "websocket", "stream", "long-poll", "short-poll"] = Field(
        "auto", description="How pages reach Streamlit."
    )
    gateway_page_script: t.Literal["inline", "file", "off"] = Field(
        "inline", description="How pages get fluxsync's script."
    )
    gateway_csp_nonce_header: Header = Field(
        "", description="Field in which a trusted proxy passes its policy's nonce on."
    )
    gateway_tunnel_wait_s: t.Annotated[float, Field(ge=1, le=55)] = Field(
        20.0, description="Longest wait of a long poll."
    )
    gateway_tunnel_timeout_s: t.Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        120.0, description="How long a tunnel may hear nothing of its page."
    )
    gateway_tunnel_max_age_s: Seconds = Field(
        0.0, description="How long a tunnel may be open; 0 is no limit."
    )
    gateway_tunnel_window_bytes: int = Field(
        1048576,
        ge=65536,
        le=67108864,
        description="Most bytes that a tunnel keeps in each direction.",
    )
    gateway_tunnel_max_tunnels: int = Field(
        0, ge=0, description="Most open tunnels; 0 is what the limit of open files allows."
    )
    gateway_tunnel_max_bytes: int = Field(
        268435456, ge=0, description="Most bytes that all tunnels keep; 0 is no limit."
    )
