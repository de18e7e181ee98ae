"""WebSockets, of pages and of the API."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import Seconds
from .group import Group


class WebSocketSettings(Group):
    """WebSockets, of pages and of the API."""

    gateway_ws_open_timeout_s: Seconds = Field(
        15.0, description="Limit for Streamlit's answer to a WebSocket handshake; 0 is none."
    )
    gateway_ws_ping_interval_s: Seconds = Field(
        20.0, description="Silence after which a browser gets a ping; 0 is never."
    )
    gateway_ws_ping_timeout_s: Seconds = Field(
        20.0, description="How long a browser may take to answer a ping; 0 is no limit."
    )
    gateway_ws_close_timeout_s: t.Annotated[float, Field(gt=0, le=3600)] = Field(
        10.0, description="How long one side of a WebSocket may outlive the other."
    )
    gateway_ws_idle_timeout_s: Seconds = Field(
        0.0, description="How long a WebSocket may have no message; 0 is no limit."
    )
    gateway_ws_max_message_bytes: int = Field(
        0, ge=0, description="Largest WebSocket message of a client; 0 is no limit."
    )
    gateway_ws_max_frame_bytes: int = Field(
        0, ge=0, description="Largest WebSocket frame of a client; 0 is no limit."
    )
    gateway_ws_max_connections: int = Field(
        0, ge=0, description="Most open WebSockets; 0 is what the limit of open files allows."
    )
    gateway_ws_max_connections_per_client: int = Field(
        0, ge=0, description="Most open WebSockets of one client address; 0 is no limit."
    )
    api_ws_max_connections: int = Field(
        100, ge=1, le=10000, description="Most open WebSockets of the API, in each worker."
    )
    gateway_ws_relay: t.Literal["supervisor", "worker"] = Field(
        "supervisor", description="Process that relays WebSockets."
    )
