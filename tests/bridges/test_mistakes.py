from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import environment
from tests.support.waiting import FACTOR


@pytest.mark.parametrize(
    ("variables", "words", "has_trace"),
    [
        ({"FLUXSYNC_WORKERS": "-3"}, "fluxsync: workers='-3' from environment: expected", False),
        (
            {"FLUXSYNC_STRICT_STARTUP": "1", "FLUXSYNC_TRUST_PROXY": "1"},
            "fluxsync: strict_startup: trust_proxy is set",
            False,
        ),
        ({"FLUXSYNC_TEST_FAULT": "1"}, "KeyError: 'mine'", True),
    ],
    ids=["setting", "strict", "code"],
)
def test_gunicorn(variables: dict[str, str], words: str, has_trace: bool, tmp_path: Path) -> None:
    """It says which setting is wrong, and ends; what code raises keeps its traceback."""
    (tmp_path / "app.py").write_text(
        "import os\n"
        "from fluxsync import FluxSync\n"
        "app = FluxSync()\n"
        "if 'FLUXSYNC_TEST_FAULT' in os.environ:\n"
        "    raise KeyError('mine')\n"
    )
    serve = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", "app:app"]
    environ = environment({**variables, "FLUXSYNC_STATE_DIR": str(tmp_path / "state")})
    result = subprocess.run(
        serve, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60 * FACTOR
    )
    assert result.returncode == 3
    assert words in result.stderr
    assert ("Traceback" in result.stderr) is has_trace
