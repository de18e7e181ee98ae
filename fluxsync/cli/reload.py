"""``fluxsync reload``."""

from __future__ import annotations

import os
import sys
import typing as t

import click

from ..config import FluxSyncSettings
from ..exceptions import ReloadError
from ..process.reloading import Running
from ..process.state import all_states, base_directory
from .options import TIMEOUT, Amount
from .status import choose, statuses


@click.command("reload")
@click.option("--pid", type=int, help="Process id of the server, where several run.")
@click.option("--api-only", is_flag=True, help="Leave Streamlit and the sessions of pages alone.")
@click.option(
    "--timeout",
    type=Amount(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds that each step may take.",
)
def command(pid: int | None, api_only: bool, timeout: float) -> None:
    """Load a running application anew: the API without downtime, then Streamlit.

    The new code is imported on trial first, in a process of its own; if that fails, nothing is
    touched. Pages connect again by themselves, with new sessions. The server must be gunicorn; the
    development server sees changes by itself.

    The exit status is 1 if something does not come up.
    """
    settings = FluxSyncSettings()
    chosen = choose(statuses(settings), pid)
    if not chosen:
        click.echo("Nothing is running.", err=True)
        sys.exit(1)
    (status,) = chosen
    server = status["server"]
    if server == "gunicorn master":
        raise ReloadError("gunicorn has preloaded the code and keeps it: restart the server")
    if server != "gunicorn worker" and api_only:
        raise click.UsageError("--api-only: the server isn't gunicorn, and can't be told to reload")
    _try(status, timeout)
    running = Running(_state(settings, status), timeout)
    if server == "gunicorn worker":
        workers = running.reload_api()
        click.echo(f"The API is loaded anew, by workers {', '.join(map(str, workers))}.")
    if not api_only:
        renewed = running.reload_pages(status)
        click.echo(
            "Streamlit is started anew." if renewed else "Streamlit is somebody else's, and stays."
        )


def _state(settings: FluxSyncSettings, status: dict[str, t.Any]) -> t.Any:
    base = base_directory(settings.state_dir, settings.source("state_dir"))
    for state in all_states(base):
        if (state.description() or {}).get("pid") == status["pid"]:
            return state
    raise ReloadError("the supervisor has ended")


def _try(status: dict[str, t.Any], timeout: float) -> None:
    """Import the application as the server would: with its directory and its environment.

    :raise ReloadError: It can't be imported.
    """
    if ":" not in status["name"] or "://" in status["name"]:
        return  # a script, or somebody else's Streamlit: there's no code of ours
    from ..diagnostics.trial import try_loading

    directory, environ = status["directory"], _environment(status["anchor"])
    trial = try_loading(status["name"], timeout, directory=directory, environ=environ)
    if trial.fault:
        for line in trial.output:
            click.echo(line, err=True)
        raise ReloadError(f"{status['name']} can't be loaded, so nothing is: {trial.fault}")


def _environment(pid: int) -> dict[str, str] | None:
    """Return a process's first environment; ``None`` where the system doesn't tell (no /proc)."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if entry)
            return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    except OSError:
        return None
