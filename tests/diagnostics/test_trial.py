from __future__ import annotations

import json
import os
import signal
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
    for seconds in (2, 8, 32):
        trial = try_loading("app:app", seconds * FACTOR)
        if trial.output:
            break  # else the machine was too busy for its first word
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


def test_outlived(write: Path) -> None:
    """A daemon that it leaves behind isn't waited for; who writes to any file doesn't disturb."""
    (write / "app.py").write_text(
        "import contextlib, os, time\n"
        "from fluxsync import FluxSync\n"
        "for number in range(3, 20):\n"
        "    with contextlib.suppress(OSError):\n"
        "        os.write(number, b'{}')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os.setsid()\n"
        "    time.sleep(100)\n"
        # Longer than what a pipe takes before somebody reads it.
        "app = FluxSync(title='x' * 100_000)\n"
        "with open('daemon', 'w') as file:\n"
        "    file.write(str(child))\n"
    )
    trial = try_loading("app:app", 60 * FACTOR)
    os.kill(int((write / "daemon").read_text()), signal.SIGKILL)
    assert trial.fault == ""
    assert len(trial.effective["settings"]["title"]["value"]) == 100_000


def test_shadowed(write: Path) -> None:
    """It loads if it does for a server, whatever modules are beside it."""
    (write / "app.py").write_text("from fluxsync import FluxSync\napp = FluxSync()")
    (write / "tempfile.py").write_text("raise RuntimeError('mine')")
    assert try_loading("app:app", 60 * FACTOR).fault == ""


def test_secrets(write: Path) -> None:
    """What settings have as secrets isn't shown, whatever the code makes of it."""
    (write / ".env").write_text(f"FLUXSYNC_SESSION_SECRET={SECRET}")
    (write / "app.py").write_text(
        "from fluxsync import FluxSyncSettings\n"
        "secret = FluxSyncSettings().session_secret\n"
        "print('it is', secret)\n"
        "raise ValueError(f'{secret} is odd')\n"
    )
    trial = try_loading("app:app", 60 * FACTOR)
    assert trial.fault == "ValueError: *** is odd (app.py, line 4)"
    assert trial.output == ("it is ***",)
