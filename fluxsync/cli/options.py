"""Options that several commands share."""

from __future__ import annotations

import functools
import typing as t

import click

from ..config import FluxSyncSettings
from ..config.sources import override

F = t.TypeVar("F", bound=t.Callable[..., t.Any])


def listening(function: F) -> F:
    """Where to listen."""
    for option in (
        click.option("--host", "gateway_host", help="Address to listen on. [default: 127.0.0.1]"),
        click.option(
            "--port", "gateway_port", type=click.IntRange(0, 65535), help="Port. [default: 8000]"
        ),
        click.option("--root-path", help="Path under which a proxy publishes all this."),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error", "critical"]),
            help="Least important level that is logged. [default: info]",
        ),
    ):
        function = option(function)
    return function


def serving(function: F) -> F:
    """How gunicorn serves."""
    for option in (
        click.option("--workers", type=click.IntRange(1), help="Worker processes. [default: 1]"),
        click.option(
            "--threads", type=click.IntRange(1), help="Threads of a gthread worker. [default: 8]"
        ),
        click.option(
            "--worker-class",
            type=click.Choice(["sync", "gthread", "gevent"]),
            help="Kind of worker. [default: gthread]",
        ),
        click.option(
            "--preload/--no-preload", default=None, help="Load the application before forking."
        ),
    ):
        function = option(function)
    return function


def application(function: F) -> F:
    """What to serve."""
    for option in (
        click.argument("target", required=False, metavar="[MODULE:ATTRIBUTE]"),
        click.option(
            "--script", "streamlit_script", help="Serve an existing Streamlit script instead."
        ),
        click.option(
            "--upstream", "streamlit_upstream", help="Serve Streamlit servers that run already."
        ),
    ):
        function = option(function)
    return function


def with_settings(function: t.Callable[[FluxSyncSettings], t.Any]) -> t.Callable[..., t.Any]:
    """Call a command with the settings, its options being their most important source."""

    @functools.wraps(function)
    def command(target: str | None = None, **options: t.Any) -> t.Any:
        override({**options, "app": target})
        return function(FluxSyncSettings())

    return command
