"""Logs and what else operators see."""

from __future__ import annotations

import typing as t

from pydantic import Field

from .group import Group


class OperationsSettings(Group):
    """Logs and what else operators see."""

    log_level: t.Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least important level that is logged."
    )
    enable_gateway_access_log: bool = Field(True, description="Log a line per request.")
