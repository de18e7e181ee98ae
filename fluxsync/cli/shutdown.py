"""``fluxsync shutdown``."""

from __future__ import annotations

import os
import signal
import sys
import time
import typing as t

import click

from ..config import FluxSyncSettings
from ..process.lifetime import Anchor
from .status import statuses

#: Seconds that the end of a process may take after its server was killed.
_AFTER_KILL = 10.0


@click.command("shutdown")
@click.option("--pid", type=int, help="Process id of the server, where several run.")
@click.option("--all", "everything", is_flag=True, help="End all applications of this user.")
@click.option(
    "--wait", default=15.0, show_default=True, help="Seconds after which it has failed, or kills."
)
@click.option("--force", is_flag=True, help="Kill what has not ended by then.")
def command(pid: int | None, everything: bool, wait: float, force: bool) -> None:
    """End a running application: its server, its supervisor, its Streamlit.

    Without options it's the one that was started in this directory, or the only one.
    """
    chosen = _choose(statuses(FluxSyncSettings()), pid, everything)
    if not chosen:
        click.echo("Nothing is running.", err=True)
        sys.exit(1)
    sys.exit(max(_end(status, wait, force) for status in chosen))


def _choose(
    found: list[dict[str, t.Any]], pid: int | None, everything: bool
) -> list[dict[str, t.Any]]:
    if pid is not None:
        return [status for status in found if pid in (status["anchor"], status["pid"])]
    if everything or len(found) < 2:
        return found
    here = [status for status in found if status["directory"] == os.getcwd()]
    if len(here) == 1:
        return here
    lines = [f"  --pid {status['anchor']}  {status['name']}" for status in found]
    raise click.UsageError("several applications run; choose one, or --all:\n" + "\n".join(lines))


def _end(status: dict[str, t.Any], wait: float, force: bool) -> int:
    server, supervisor = Anchor(status["anchor"]), Anchor(status["pid"])
    for process in (server, supervisor):
        process.watch()
    _signal(server, signal.SIGTERM)
    if not _wait((server, supervisor), wait) and force:
        # The supervisor ends in an orderly way when its server is gone.
        for process in (server, supervisor):
            _signal(process, signal.SIGKILL)
            if _wait((server, supervisor), _AFTER_KILL):
                break
    ended = not server.is_alive() and not supervisor.is_alive()
    click.echo(f"{status['name']} {'has ended' if ended else 'still runs'}.", err=not ended)
    for process in (server, supervisor):
        process.close()
    return 0 if ended else 1


def _signal(process: Anchor, number: signal.Signals) -> None:
    if process.is_alive():
        os.kill(process.pid, number)


def _wait(processes: tuple[Anchor, ...], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(process.is_alive() for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
