"""``fluxsync shutdown``."""

from __future__ import annotations

import os
import signal
import sys
import time
import typing as t

import click

from ..config import FluxSyncSettings
from ..process import pidfile as pidfiles
from ..process.lifetime import Anchor
from .options import Amount
from .status import choose, statuses

#: Seconds that the end of a process may take after its server was killed.
_AFTER_KILL = 10.0


@click.command("shutdown")
@click.option("--pid", type=int, help="Process id of the server, where several run.")
@click.option(
    "--pidfile", type=click.Path(exists=True, dir_okay=False), help="File that has its process id."
)
@click.option("--all", "everything", is_flag=True, help="End all applications of this user.")
@click.option(
    "--wait",
    type=Amount(0),
    default=15.0,
    show_default=True,
    help="Seconds after which it has failed, or kills.",
)
@click.option("-f", "--force", is_flag=True, help="Kill what has not ended by then.")
def command(
    pid: int | None, pidfile: str | None, everything: bool, wait: float, force: bool
) -> None:
    """End a running application: its server, its supervisor, its Streamlit.

    Without options it's the one that was started in this directory, or the only one; which one
    where several run, say --pid, --pidfile or --all.
    """
    if sum(map(bool, (pid is not None, pidfile, everything))) > 1:
        raise click.UsageError("--pid, --pidfile and --all: choose one")
    found = statuses(FluxSyncSettings())
    if pidfile is not None:
        chosen = _named(found, pidfile)
    else:
        chosen = choose(found, pid, everything=everything)
    if not chosen:
        click.echo("Nothing is running.", err=True)
        sys.exit(1)
    sys.exit(max(_end(status, wait, force) for status in chosen))


def _named(found: list[dict[str, t.Any]], path: str) -> list[dict[str, t.Any]]:
    """Return the server that has a file, with its supervisor if it has one already."""
    try:
        owner = pidfiles.read(path)
        if not owner.is_held:
            pidfiles.remove_stale(path)
            click.echo(f"Nothing is running: {path} was left behind, and is removed.")
            sys.exit(0)
    except OSError as e:
        raise click.BadParameter(f"{path}: {e.strerror}", param_hint="--pidfile") from e
    except ValueError:
        raise click.BadParameter(f"{path} has no process id", param_hint="--pidfile") from None
    lone = {"name": f"process {owner.pid}", "anchor": owner.pid, "pid": owner.pid}
    return choose(found, owner.pid) or [lone]


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
