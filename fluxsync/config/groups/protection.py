"""What browsers are told, and whose requests are refused."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ...sansio.cors import ANY
from ..policies import CorsHeaders, CorsMethods, CorsOrigins, HeaderTable, Hosts, Policy
from .group import Group


class ProtectionSettings(Group):
    """What browsers are told, and whose requests are refused."""

    enable_security_headers: bool = Field(
        False, description="Add header fields to all answers that make browsers careful."
    )
    security_headers: HeaderTable = Field(
        {}, description="Fields among them with other values; an empty one takes a field away."
    )
    content_security_policy: Policy = Field(
        "", description="Content-Security-Policy of all answers; {nonce} is one for each."
    )
    cors_allow_origins: CorsOrigins = Field(
        (), description="Other origins whose pages may read answers; * is all."
    )
    cors_allow_credentials: bool = Field(
        False, description="Whether their requests may have the user's cookies."
    )
    cors_allow_methods: CorsMethods = Field(
        (), description="Methods that they may use; GET, HEAD, POST, PUT, PATCH, DELETE if empty."
    )
    cors_allow_headers: CorsHeaders = Field(
        (), description="Header fields that they may send; the usual ones of an API if empty."
    )
    cors_expose_headers: CorsHeaders = Field(
        (), description="Header fields of answers that they may read besides the usual ones."
    )
    cors_max_age_s: int = Field(
        600, ge=0, le=86400, description="How long browsers may remember what they may send."
    )
    allowed_hosts: Hosts = Field(
        (), description="Host names that requests may be for; all if empty."
    )
    api_max_request_body_bytes: int = Field(
        0, ge=0, description="Largest request body for the API; 0 is no limit."
    )
    gateway_max_concurrent_upstream_http: int = Field(
        0, ge=0, description="Requests to Streamlit that a worker has at once; 0 is no limit."
    )
    api_max_concurrent_requests: int = Field(
        0, ge=0, description="Requests to the API that a worker has at once; 0 is no limit."
    )
    gateway_queue_size: int = Field(
        16, ge=0, le=4096, description="Requests that may wait for their turn at each of the two."
    )
    gateway_queue_timeout_s: t.Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        5.0, description="How long they wait."
    )

    def conflict(self) -> tuple[str, str] | None:
        """Return the setting that goes ill with another one, and what is expected instead."""
        lists = ("cors_allow_origins", "cors_allow_methods", "cors_allow_headers")
        for name in (*lists, "cors_expose_headers"):
            if self.cors_allow_credentials and ANY in getattr(self, name):
                return name, "names instead of *, as cors_allow_credentials is set"
        if self.cors_allow_credentials and not self.cors_allow_origins:
            return "cors_allow_credentials", "false, as cors_allow_origins is empty"
        if self.security_headers and not self.enable_security_headers:
            return "security_headers", "nothing, as enable_security_headers is false"
        return None
