"""Time and room for requests, to Streamlit and from clients."""

from __future__ import annotations

from pydantic import Field

from ..fields import Seconds
from .group import Group


class HopSettings(Group):
    """Time and room for requests, to Streamlit and from clients."""

    gateway_upstream_connect_timeout_s: Seconds = Field(
        5.0, description="Limit for a connection to Streamlit; 0 is none."
    )
    gateway_upstream_read_timeout_s: Seconds = Field(
        120.0, description="Longest silence of Streamlit within a response; 0 is none."
    )
    gateway_max_proxy_request_body_bytes: int = Field(
        0, ge=0, description="Largest request body for Streamlit; 0 is no limit."
    )
    gateway_http_pool_maxsize: int = Field(
        32, ge=0, le=4096, description="Idle connections to Streamlit that a worker keeps."
    )
    gateway_client_timeout_s: Seconds = Field(
        60.0, description="Longest silence of a client within an upload or download; 0 is no limit."
    )
    gateway_client_min_bytes_per_s: int = Field(
        240, ge=0, description="Slowest upload for which a worker waits; 0 is no limit."
    )
    gateway_client_header_timeout_s: Seconds = Field(
        30.0,
        description="How long a client may take to send a request; 0 is no limit.",
    )
