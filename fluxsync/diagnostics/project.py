"""The application in this directory: its settings, its code, its directories, its port."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import tempfile
import typing as t

from ..assets import directories
from ..config.listening import check_address
from ..exceptions import ConfigError, FluxSyncError
from ..process.launch import ask
from ..process.state import StateDirectory, all_states, base_directory
from .findings import Finding, Hop, ok, problem, warning
from .packages import packages

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from .trial import Trial

#: Packages whose modules have another name than they.
_MODULES = {"python-dotenv": "dotenv", "pyjwt": "jwt"}
#: Of several places in which a module is found.
_MOST_SHOWN = 4


def judge_advice(found: t.Iterable[t.Mapping[str, str]]) -> t.Iterator[Finding]:
    """Return what settings are advised against.

    :param found: From :func:`~fluxsync.diagnostics.effective.effective`.
    """
    listed = [*found]
    for advice in listed:
        make = problem if advice["level"] == "error" else warning
        yield make("settings", Hop.PROJECT, f"{advice['message']} ({advice['code']})")
    if not listed:
        yield ok("settings", "nothing to advise against")


def judge_trial(target: str, trial: Trial, *, pages: bool) -> t.Iterator[Finding]:
    """Return whether the application loads.

    :param pages: Whether its pages count, too.
    """
    if trial.fault:
        lines = tuple(f"| {line}" for line in trial.output[-5:])
        yield problem("target", Hop.PROJECT, f"{target}: {trial.fault}.", lines)
        return
    yield ok("target", f"{target} is in {trial.file}")
    if pages:
        for fault in trial.page_faults:
            yield problem("pages", Hop.PROJECT, f"{fault}.")
        if not trial.page_faults:
            yield ok("pages", f"{len(trial.pages)}, and they go together")


def check_shadowing(target: str, directory: pathlib.Path) -> t.Iterator[Finding]:
    """Look for modules that hide others: the working directory comes first."""
    name = target.rpartition(":")[0].partition(".")[0]
    places = _places(name, directory) if name and "/" not in target else []
    if len(places) > 1:
        shown = ", ".join(places[:_MOST_SHOWN])
        text = f"The module {name} is found in several places, and the first counts: {shown}."
        yield warning("imports", Hop.PROJECT, text)
    needed = {_MODULES.get(p.name, p.name.replace("-", "_")) for p in packages()}
    here = _modules_in(directory)
    hiding = [module for module in here if module in needed]
    for module in hiding:
        text = f"{here[module]} here hides the package {module}, which fluxsync needs."
        yield problem("imports", Hop.PROJECT, text, ("Give it another name.",))
    standard = [module for module in here if module in sys.stdlib_module_names]
    for module in standard:
        text = f"{here[module]} here hides Python's own module {module}."
        yield warning("imports", Hop.PROJECT, text, ("Give it another name.",))
    if len(places) < 2 and not hiding and not standard:
        yield ok("imports", "no module hides another one")


def _places(name: str, directory: pathlib.Path) -> list[str]:
    """Return where a top-level module would be found, the working directory first."""
    found = []
    for entry in dict.fromkeys((str(directory), *(os.path.abspath(p) for p in sys.path))):
        for path in (os.path.join(entry, f"{name}.py"), os.path.join(entry, name, "__init__.py")):
            if os.path.isfile(path):
                found.append(path)
    return found


def _modules_in(directory: pathlib.Path) -> dict[str, str]:
    """Return modules in a directory, and what they're in."""
    try:
        paths = sorted(directory.iterdir())
    except OSError:
        return {}
    found = {path.stem: path.name for path in paths if path.suffix == ".py"}
    # Of both, the directory counts.
    return found | {p.name: f"{p.name}/" for p in paths if (p / "__init__.py").is_file()}


def check_directories(settings: FluxSyncSettings) -> t.Iterator[Finding]:
    """Look at the state directory, whoever is in it, and the cache."""
    yield from _check_states(settings)
    for number, path in enumerate(directories.candidates(settings.cache_dir)):
        fault = _fault_of(path)
        if not fault:
            first = "" if number == 0 else ", as the first choice can't be written"
            yield ok("cache", f"{path} can be written{first}")
            return
    text = f"No directory for compressed frontend files can be written ({path}: {fault})."
    yield warning("cache", Hop.MACHINE, text, ("FLUXSYNC_CACHE_DIR=/var/cache/fluxsync",))


def _check_states(settings: FluxSyncSettings) -> t.Iterator[Finding]:
    source = settings.source("state_dir")
    try:
        base = base_directory(settings.state_dir, source)
        StateDirectory(base, "0" * 16, source)
        if not os.access(base, os.W_OK | os.X_OK):
            raise ConfigError(
                "state_dir", str(base), source=source, expected="a directory to write to"
            )
    except ConfigError as e:
        yield problem("state", Hop.MACHINE, f"{e}.", ("FLUXSYNC_STATE_DIR=/run/fluxsync",))
        return
    left = hanging = 0
    for state in all_states(base):
        with contextlib.suppress(FluxSyncError, OSError):
            lock = state.try_lock()
            if lock is not None:
                os.close(lock)
                left += 1
            elif ask(state, "status") is None:
                hanging += 1
    if hanging:
        text = f"{hanging} in {base} don't answer: they have just ended, or hang."
        yield warning("leftovers", Hop.MACHINE, text, ("fluxsync shutdown --all --force",))
    if left:
        text = f"{left} in {base} were killed, and have left files behind."
        yield warning("leftovers", Hop.MACHINE, text, ("The next start removes them.",))
    yield ok("state", f"{base} can be written, by you alone")
    if not settings.state_dir:
        # If nobody is there, it was made for this look.
        with contextlib.suppress(OSError):
            base.rmdir()


def _fault_of(path: pathlib.Path) -> str:
    """Return why files can't be kept there; the directory itself needn't be there yet."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if there == path and not directories.is_trusted(path):
        return "others may write there"
    try:
        with tempfile.TemporaryFile(dir=there):
            return ""
    except OSError as e:
        return e.strerror or str(e)


def check_port(settings: FluxSyncSettings, running: t.Iterable[t.Mapping[str, t.Any]]) -> Finding:
    """Return whether the port is free, or our own server has it.

    :param running: What supervisors say of themselves.
    """
    host, port = settings.gateway_host, settings.gateway_port
    for status in running:
        if port and status["url"].endswith(f":{port}"):
            name, pid = status["name"], status["anchor"]
            return ok("port", f"{port} is taken by {name}, process {pid}, which runs")
    try:
        check_address(settings)
    except ConfigError as e:
        return problem("port", Hop.MACHINE, f"{e}.")
    return ok("port", f"{host}:{port} is free" if port else "the system chooses one")
