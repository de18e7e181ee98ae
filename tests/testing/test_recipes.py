"""The examples of docs/testing.rst, as they're there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import typing as t

import pytest

from tests.support.processes import ROOT, environment

if t.TYPE_CHECKING:
    from pathlib import Path

TEXT = (ROOT / "docs" / "testing.rst").read_text(encoding="utf-8")


@pytest.mark.live_server
@pytest.mark.streamlit
@pytest.mark.timeout(320)
def test_examples(tmp_path: Path) -> None:
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", TEXT)
    project = tmp_path / "project"
    project.mkdir()
    for block in map(textwrap.dedent, blocks):
        first, _, rest = block.partition("\n")
        assert first.endswith(".py"), "the first line names the file"
        (project / first.removeprefix("# ")).write_text(rest, encoding="utf-8")
    count = len(re.findall(r"^ +def test_", "\n".join(blocks), re.MULTILINE))

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=project,
        env=environment({"FLUXSYNC_STATE_DIR": str(tmp_path), "HOME": os.environ["HOME"]}),
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{count} passed" in result.stdout
