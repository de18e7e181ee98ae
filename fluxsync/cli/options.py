"""Options that several commands share."""

from __future__ import annotations

import functools
import os
import typing as t

import click

from ..config import FluxSyncSettings
from ..config.advice import enforce
from ..config.sources import add_override, override
from ..process.pidfile import PidFile

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

#: Options that aren't settings.
_OWN = ("reload", "reload_scope", "workbench")

#: Seconds that importing an application may take, for commands that only look at it.
TIMEOUT = 60.0

#: Of seconds, eleven days; of MB, a terabyte.
_MOST = 1e6


class Amount(click.FloatRange):
    """A number that can be computed with: neither ``nan`` nor beyond all measure."""

    def convert(
        self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not number <= _MOST:
            self.fail(f"{value} is not a number up to {_MOST:g}.", param, ctx)
        return number


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


def trusting(function: F) -> F:
    """Whom to believe, and what operators get."""
    for option in (
        click.option(
            "--proxy-headers/--no-proxy-headers",
            "trust_proxy",
            default=None,
            help="Believe the forwarding headers of a proxy on this machine; or of nobody.",
        ),
        click.option(
            "--forwarded-allow-ips",
            metavar="NETWORKS",
            help="Networks of proxies that are believed, separated by commas.",
        ),
        click.option("--pidfile", metavar="PATH", help="File for the process id. [default: none]"),
        click.option("--no-pidfile", is_flag=True, help="Write none, whatever the settings say."),
        click.option(
            "--debug", is_flag=True, default=None, help="Serve the status page, /__fluxsync/debug."
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


def publishing(function: F) -> F:
    """Whether a session of Workbench publishes it."""
    return click.option(
        "--workbench", is_flag=True, help="As fluxsync workbench does, in such a session."
    )(function)


def with_settings(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Call a command with the settings, its options being their most important source.

    Options that aren't settings are its further arguments.
    """

    @functools.wraps(function)
    def command(target: str | None = None, **options: t.Any) -> t.Any:
        own = {name: options.pop(name) for name in _OWN if name in options}
        override({**_consistent(options), "app": target})
        settings = FluxSyncSettings()
        enforce(settings)
        return function(settings, **own)

    return command


def _consistent(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return options as settings.

    :raise click.UsageError: Two of them contradict each other.
    """
    networks = options.get("forwarded_allow_ips")
    if options.get("trust_proxy") is False:
        if networks:
            raise click.UsageError("--no-proxy-headers and --forwarded-allow-ips: choose one")
        # Else those that a file names would still be believed.
        options["forwarded_allow_ips"] = []
    if options.pop("no_pidfile", False):
        if options.get("pidfile"):
            raise click.UsageError("--pidfile and --no-pidfile: choose one")
        options["pidfile"] = ""
    return options


def pid_file(settings: FluxSyncSettings) -> PidFile:
    """Return the file that the settings name, as a context manager."""
    return PidFile(settings.pidfile, settings.source("pidfile"))


def publish(settings: FluxSyncSettings) -> FluxSyncSettings:
    """Return the settings with what a session of Workbench makes of them.

    :raise ConfigError: This is no such session.
    """
    from ..serving import workbench

    url = workbench.find_url(os.environ, settings.gateway_port)
    if not settings.root.rule:
        # A session may not know under which name its server is reached.
        add_override("root_path" if url.startswith("/") else "public_base_url", url)
    return FluxSyncSettings()
