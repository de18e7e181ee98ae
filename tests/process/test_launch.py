"""Which Python the supervisor runs in; the rest is in test_client.py and tests/live."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fluxsync.process.launch import python_program


def test_own_python() -> None:
    assert python_program() == sys.executable


@pytest.mark.parametrize("named", ["/usr/bin/python3.11", "/usr/sbin/apache2"])
def test_python_within_a_program(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its virtual environment is what it runs in, whatever it says it is."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", named)
    assert python_program() == named  # there's nothing better
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch()

    assert python_program() == str(tmp_path / "bin" / "python3")
