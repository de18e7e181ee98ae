"""The quick mode of the benchmark, and that nothing of it stays behind."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import typing as t
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from tests.benchmarks import document
from tests.benchmarks.rows import ROWS
from tests.support.leaks import children
from tests.support.processes import PYTHON, Server, describe, is_alive
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

COMMAND = (*PYTHON, "-m", "tests.benchmarks", "--quick")


def test_quick_mode(serve: t.Callable[[Server], Server], tmp_path: Path) -> None:
    """Every row that can be had quickly measures fluxsync; no figure is looked at."""
    figures, plot, page = tmp_path / "all.json", tmp_path / "all.svg", tmp_path / "page.rst"
    page.write_text(f"Before.\n{document.BEGIN}old\n{document.END}After.\n")
    server = serve(
        Server(*COMMAND, "--json", str(figures), "--plot", str(plot), "--rst", str(page))
    )

    assert server.wait(100) == 0, server.output

    rows = {row["name"]: row for row in json.loads(figures.read_text())["rows"]}
    assert rows.keys() == {row.name for row in ROWS}
    for row in ROWS:
        found = rows[row.name]
        if not row.quick:
            assert found["skipped"] == {"": "not in the quick mode"}
        elif "gthread" not in found["samples"]:  # on a slow machine
            assert "no time left" in found["skipped"][""]
        assert not found["failed"]
        assert row.title in page.read_text()
    assert rows["small"]["samples"]["gthread"].keys() == {"cpu", "rate"}
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")
    text = page.read_text()
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_end(serve: t.Callable[[Server], Server], number: signal.Signals) -> None:
    """Everything that was started ends with the benchmark, also when it can't see to that."""
    if number == signal.SIGKILL and not shutil.which("setpriv"):
        pytest.skip("setpriv, by which the kernel is asked to end them, is not there")
    # Supervisors leave their family; as orphans they're ours.
    before = set(psutil.Process().children(recursive=True))
    server = serve(Server(*COMMAND, "small", "idle"))
    started = eventually(lambda: with_supervisor(before), 30)

    server.send_signal(number)

    def left() -> list[psutil.Process]:
        children()  # reaps
        return [process for process in started if is_alive(process)]

    eventually(lambda: not left(), 20, lambda: describe(left()))
    assert server.wait() != 0


def with_supervisor(before: set[psutil.Process]) -> set[psutil.Process]:
    """Return the processes that have begun since, as soon as a supervisor is one of them."""
    started = set(psutil.Process().children(recursive=True)) - before
    for process in started:
        with contextlib.suppress(psutil.Error):
            if "supervisord" in " ".join(process.cmdline()):
                return started
    return set()
