from __future__ import annotations

import resource
import socket
import typing as t

import pytest

from fluxsync.diagnostics import machine
from fluxsync.diagnostics.findings import Level


def test_this_machine() -> None:
    assert [finding.check for finding in machine.check()] == ["sockets", "limits"]
    assert machine.passes_files() == ""


def test_machine_without_unix_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def socketpair(*args: t.Any) -> t.NoReturn:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socketpair", socketpair)
    finding = machine.judge_sockets(machine.passes_files())
    assert finding.level is Level.WARNING
    assert "(Address family not supported by protocol)" in finding.text


@pytest.mark.parametrize(
    ("hard", "level", "words"),
    [
        (256, Level.WARNING, "256 open files"),
        (4096, Level.OK, "4096 in the supervisor"),
        (resource.RLIM_INFINITY, Level.OK, "as many as there are in the supervisor"),
    ],
)
def test_files(hard: int, level: Level, words: str) -> None:
    finding = machine.judge_files(256, hard)
    assert finding.level is level
    assert words in finding.text
