"""``fluxsync status``."""

from __future__ import annotations

import json
import os
import sys
import typing as t

import click

from ..config import FluxSyncSettings
from ..process.launch import ask
from ..process.state import all_states, base_directory

_COLUMNS = ("REPLICA", "STATE", "PID", "ADDRESS", "SECONDS", "STARTS", "SESSIONS")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Show this user's running applications: replicas, processes, states, sessions.

    The exit status is 1 if nothing runs.
    """
    found = statuses(FluxSyncSettings())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n\n".join(map(_describe, found)) or "Nothing is running.")
    sys.exit(0 if found else 1)


def choose(
    found: list[dict[str, t.Any]], pid: int | None, *, everything: bool = False
) -> list[dict[str, t.Any]]:
    """Return those applications that a command is for.

    :param pid: Process id of the server or the supervisor, if it was given.
    :param everything: Whether the command is for all of them.
    :raise click.UsageError: Several run, and it wasn't said which is meant.
    """
    if pid is not None:
        return [status for status in found if pid in (status["anchor"], status["pid"])]
    if everything or len(found) < 2:
        return found
    here = [status for status in found if status["directory"] == os.getcwd()]
    if len(here) == 1:
        return here
    lines = [f"  --pid {status['anchor']}  {status['name']}" for status in found]
    # Where a command takes --all, its help says so.
    raise click.UsageError("several applications run; choose one:\n" + "\n".join(lines))


def statuses(settings: FluxSyncSettings) -> list[dict[str, t.Any]]:
    """Return what all supervisors of this user say."""
    base = base_directory(settings.state_dir, settings.source("state_dir"))
    answers = [ask(state, "status") for state in all_states(base)]
    return [
        {k: v for k, v in answer.items() if k != "type"} for answer in answers if answer is not None
    ]


def _describe(status: dict[str, t.Any]) -> str:
    workers = ", ".join(map(str, status["workers"])) or "none"
    lines = [
        f"{status['name']}  {status['url']}".rstrip(),
        f"  in {status['directory']}",
        f"  server {status['anchor']}, workers {workers}, supervisor {status['pid']}",
    ]
    rows = [_COLUMNS, *map(_row, status["replicas"])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    for row in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"  {cells}".rstrip())
    if any(status["tunnels"]["transports"].values()):
        lines.append(f"  tunnels: {_tunnels(**status['tunnels'])}")
    for replica in status["replicas"]:
        reason = replica["reason"].strip().splitlines()
        lines += [f"  {replica['id']}: {line}" for line in reason]
    return "\n".join(lines)


def _tunnels(transports: dict[str, int], reasons: dict[str, int]) -> str:
    """Return how many pages use which way instead of WebSockets, and why."""
    by_transport = ", ".join(f"{count} {name}" for name, count in sorted(transports.items()))
    by_reason = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()))
    return f"{by_transport} ({by_reason})"


def _row(replica: dict[str, t.Any]) -> tuple[str, ...]:
    silent = replica["state"] == "RUNNING" and not replica["healthy"]
    return (
        replica["id"],
        f"{replica['state']} (no answer)" if silent else replica["state"],
        str(replica["pid"] or "-"),
        replica["address"] or "-",
        f"{replica['seconds']:.0f}",
        str(replica["starts"]),
        str(replica["sessions"]),
    )
