"""The ``fluxsync`` command. One module per command, loaded when it's called."""

from __future__ import annotations

import importlib
import os
import sys
import typing as t

import click

from .. import __version__
from ..exceptions import ConfigError, FluxSyncError, TargetError
from ..telemetry import logs

#: Commands in the order of the help, and what they do.
COMMANDS = {
    "demo": "Serve the demo.",
    "new": "Make a new project.",
    "dev": "Serve an application and reload it when its files change.",
    "run": "Serve an application with gunicorn.",
    "workbench": "Serve an application within a session of Posit Workbench.",
    "config": "Show all settings and where they come from.",
    "pages": "Describe or check the pages of an application.",
    "build": "Write a Dockerfile, or compress Streamlit's frontend files.",
    "status": "Show running applications.",
    "reload": "Load a running application anew.",
    "shutdown": "End a running application.",
    "doctor": "Say what is wrong here, and on the way to a site.",
    "completion": "Print a script that completes commands in a shell.",
}

#: Those that serve: what they write to standard error is a log.
_SERVING = ("demo", "dev", "run", "workbench")


class LazyGroup(click.Group):
    """A group whose commands are imported when they're needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command, imported now."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f".{name}", __name__)
        return t.cast(click.Command, module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> t.Any:
        """Run a command; our own exceptions become one line and an exit status."""
        try:
            return super().invoke(ctx)
        except FluxSyncError as e:
            words = f"Error: {e}"
            if ctx.invoked_subcommand in _SERVING:
                words = logs.last_words(words)
            click.echo(words, err=True)
            sys.exit(2 if isinstance(e, (ConfigError, TargetError)) else 1)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="fluxsync")
@click.pass_context
def group(context: click.Context) -> None:
    """Put an HTTP API and Streamlit pages on one port of any WSGI host."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line."""
    # https://no-color.org: "when present and not an empty string (regardless of its value)"
    plain = {"color": False} if os.environ.get("NO_COLOR") else {}
    group(prog_name="fluxsync", **plain)
