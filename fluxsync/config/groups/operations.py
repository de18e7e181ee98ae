"""Logs and what else operators see."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import MetricsPath, OperationsToken
from .group import Group


class OperationsSettings(Group):
    """Logs and what else operators see."""

    log_level: t.Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least important level that is logged."
    )
    log_format: t.Literal["text", "json"] = Field("text", description="What log lines look like.")
    enable_opentelemetry: bool = Field(
        False, description="Make traces with OpenTelemetry, and continue those of clients."
    )
    enable_gateway_access_log: bool = Field(True, description="Log a line per request.")
    strict_startup: bool = Field(
        False, description="Refuse to start while a setting is advised against."
    )
    debug: bool = Field(False, description="Serve the status page.")
    enable_gateway_prometheus_metrics: bool = Field(
        False, description="Count, and serve the metrics."
    )
    gateway_prometheus_metrics_path: MetricsPath = Field(
        "/__fluxsync/metrics", description="Path of the metrics."
    )
    operations_token: OperationsToken = Field(
        "", description="Who says it may see metrics and status page; this machine if empty."
    )
