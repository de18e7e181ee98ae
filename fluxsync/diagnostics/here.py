"""Look at this machine, at the project in this directory, and at its server if it runs."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

from ..config import FluxSyncSettings
from ..exceptions import ConfigError, FluxSyncError
from ..sansio.hosts import Hosts
from . import machine, packages, project
from .address import parse
from .client import Options
from .connection import Security
from .effective import effective
from .findings import Finding, Hop, ok, problem
from .trial import Trial, try_loading
from .visit import visit

#: How a server on this machine is looked at; its certificate is for another name.
_NEAR = Options(patience=0.0, upload=1024 * 1024, security=Security(insecure=True), is_near=True)
_IMPORT_TIMEOUT = 60.0


@dataclasses.dataclass
class Look:
    """What is looked at, and what comes to light besides findings.

    :ivar choose: Returns the target that settings name.
    :ivar running: Returns what this user's supervisors say.
    :ivar pages: Whether faults of pages count.
    """

    choose: t.Callable[[FluxSyncSettings], str]
    running: t.Callable[[FluxSyncSettings], list[dict[str, t.Any]]]
    pages: bool = False
    target: str = ""
    effective: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    trial: Trial = dataclasses.field(default_factory=Trial)

    def findings(self) -> t.Iterator[Finding]:
        """Look, and yield what there is to say."""
        yield from packages.check()
        yield from machine.check()
        directory = pathlib.Path.cwd()
        try:
            settings = FluxSyncSettings()
        except ConfigError as e:
            yield problem("settings", Hop.PROJECT, f"{e}.")
            yield from project.check_shadowing("", directory)
            return
        self.effective = effective(settings)
        yield from self._application(settings)
        yield from project.check_shadowing(self.target, directory)
        yield from project.check_directories(settings)
        running = self.running(settings)
        yield project.check_port(settings, running)
        here = [status for status in running if status["directory"] == str(directory)]
        for status in here:
            yield from _live(settings, status)

    def _application(self, settings: FluxSyncSettings) -> t.Iterator[Finding]:
        """Load it; its code has settings, too."""
        try:
            self.target = self.choose(settings)
        except FluxSyncError as e:
            yield problem("target", Hop.PROJECT, f"{e}.")
        if self.target:
            self.trial = try_loading(self.target, _IMPORT_TIMEOUT)
            self.effective = self.trial.effective or self.effective
            yield from project.judge_trial(self.target, self.trial, pages=self.pages)
        elif (script := settings.streamlit_script) and not pathlib.Path(script).is_file():
            yield problem("target", Hop.PROJECT, f"There is no file {script}.")
        yield from project.judge_advice(self.effective["warnings"])


def _live(settings: FluxSyncSettings, status: t.Mapping[str, t.Any]) -> t.Iterator[Finding]:
    """Look at a server of this directory, at its own address."""
    workers = ", ".join(map(str, status["workers"])) or "none"
    yield ok("server", f"{status['name']} runs: {status['anchor']}, workers {workers}")
    for replica in status["replicas"]:
        yield _judge_replica(replica)
    url = status["url"]
    if not url:
        yield ok("server", "its address isn't known here: look at it with --url")
        return
    address = parse(f"{url}{settings.root.path}/")
    if settings.allowed_hosts and not Hosts(settings.allowed_hosts).allows(address.authority):
        text = f"allowed_hosts refuses {address.authority}: look at it with --url"
        yield ok("server", text)
        return
    yield from visit(address, _NEAR)


def _judge_replica(replica: t.Mapping[str, t.Any]) -> Finding:
    name, state, reason = replica["id"], replica["state"], replica["reason"]
    if state == "RUNNING" and replica["healthy"]:
        return ok("replica", f"{name} runs, with {replica['sessions']} sessions")
    how = "runs, and doesn't answer" if state == "RUNNING" else f"is {state}"
    lines = tuple(f"| {line}" for line in reason.strip().splitlines()[-5:])
    return problem("replica", Hop.STREAMLIT, f"Streamlit's {name} {how}.", lines)
