from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fluxsync.diagnostics.trial import try_loading
from tests.support.processes import environment
from tests.support.waiting import FACTOR

SECRET = "0123456789abcdef0123456789abcdef"
APP = f"""
import threading, time
from fluxsync import FluxSync, FluxSyncSettings

print("password=hunter22")
threading.Thread(target=time.sleep, args=(1000,)).start()
app = FluxSync(settings=FluxSyncSettings(root_path="/app", session_secret="{SECRET}"))


@app.page("/", title="Home")
def home(st):
    pass
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("FLUXSYNC_", "_FLUXSYNC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_application(write: Path) -> None:
    """What its code starts ends with it; what it says and has is known, without secrets."""
    (write / "app.py").write_text(APP)
    trial = try_loading("app:app", 60 * FACTOR)
    assert (trial.fault, trial.page_faults) == ("", ())
    assert Path(trial.file) == write / "app.py"
    assert list(trial.pages) == [{"path": "/", "title": "Home"}]
    assert trial.output == ("password=***",)
    settings = trial.effective["settings"]
    assert settings["root_path"] == {"value": "/app", "source": "code"}
    (advice,) = trial.effective["warnings"]
    assert advice["code"] == "root_path_without_trust"
    assert SECRET not in json.dumps(trial.effective)


@pytest.mark.parametrize(
    ("text", "fault", "is_usage"),
    [
        (
            "raise ValueError('no\\nway token=abc')",
            "ValueError: no way token=*** (app.py, line 1)",
            0,
        ),
        ("import sys\nsys.exit(3)", "importing it ends the process (3)", False),
        ("import os\nos._exit(7)", "importing it ended with exit status 7", False),
        ("import os\nos.kill(os.getpid(), 9)", "importing it ended by signal 9", False),
        ("app = 1 +", "SyntaxError: invalid syntax (app.py, line 1)", False),
        ("app = 1", "app:app is a int, not a FluxSync application", True),
        ("", "app has no attribute 'app': name the application as app:<attribute>", True),
        (
            "from fluxsync import FluxSync\napp = FluxSync(streamlit_run_args=['--server.port=1'])",
            "--server.port, which fluxsync sets itself",
            True,
        ),
    ],
)
def test_broken(text: str, fault: str, is_usage: bool, write: Path) -> None:
    (write / "app.py").write_text(text)
    trial = try_loading("app:app", 60 * FACTOR)
    assert fault in trial.fault
    assert "\n" not in trial.fault
    assert trial.is_usage is bool(is_usage)


def test_endless(write: Path) -> None:
    """It's killed with all that it has started, which may have its output still open."""
    (write / "app.py").write_text(
        "import subprocess\nprint('begins', flush=True)\nsubprocess.run(['sleep', '1000'])"
    )
    trial = try_loading("app:app", 2 * FACTOR)
    assert trial.fault.startswith("importing it takes longer than")
    assert trial.output == ("begins",)


def test_somewhere_else(write: Path) -> None:
    """With another directory and environment than this process has."""
    other = write / "other"
    other.mkdir()
    (other / "app.py").write_text("from fluxsync import FluxSync\napp = FluxSync()")
    environ = environment({"FLUXSYNC_TITLE": "Other"})
    trial = try_loading("app:app", 60 * FACTOR, directory=str(other), environ=environ)
    assert trial.effective["settings"]["title"] == {"value": "Other", "source": "environment"}
    gone = try_loading("app:app", 1, directory=str(write / "gone"))
    assert gone.fault == "no process can be started to load it (No such file or directory)"
