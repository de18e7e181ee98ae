"""Streamlit's process, without Streamlit: what it does before, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fluxsync.process import child
from tests.support.processes import ROOT, is_alive
from tests.support.waiting import eventually


def run(directory: Path, target: str, script: str = "script.py") -> tuple[int, str]:
    """Run it until the place where Streamlit would start."""
    (directory / "streamlit.py").write_text("import sys; print(sys.argv)")
    done = subprocess.run(
        [sys.executable, child.__file__, "2", str(os.getpid()), target, script],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        pytest.param({"script.py": "import streamlit\nimport json"}, 0, "['streamlit',", id="fine"),
        pytest.param({}, 0, "['streamlit', 'run', 'script.py']", id="for Streamlit to say"),
        pytest.param({"script.py": "def"}, 2, "SyntaxError: invalid syntax", id="syntax"),
        pytest.param({"script.py": "\0"}, 2, "null bytes", id="zero byte"),
        pytest.param(
            {"script.py": '"A page."\nfrom __future__ import annotations\nimport os, gone.part\n'},
            2,
            "can't import script.py, line 3: ModuleNotFoundError: No module named 'gone'",
            id="import",
        ),
        pytest.param({"script.py": "from gone import x"}, 2, "No module named 'gone'", id="from"),
        pytest.param(
            {"script.py": "import sys\nsys.path.append('lib')\nimport mine", "lib/mine.py": ""},
            0,
            "['streamlit',",
            id="path of its own",
        ),
        pytest.param(
            {"script.py": "import where\nimport gone", "where.py": ""},
            0,
            "['streamlit',",
            id="path of a module of its own",
        ),
        pytest.param(
            {"script.py": "try:\n    import gone\nexcept ImportError:\n    pass"},
            0,
            "['streamlit',",
            id="if it is there",
        ),
        pytest.param({"script.py": "from . import x"}, 0, "['streamlit',", id="relative"),
    ],
)
def test_script(files: dict[str, str], status: int, words: str, tmp_path: Path) -> None:
    """What can be known to fail is refused; what may work is Streamlit's to try."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    code, output = run(tmp_path, "-")
    assert (code, words in output) == (status, True), output


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        pytest.param("app = 1", 0, "imported", id="fine"),
        pytest.param("", 2, "app has no attribute 'app'", id="attribute"),
        pytest.param("import gone", 2, "No module named 'gone'", id="import"),
        pytest.param("def", 2, "SyntaxError", id="syntax"),
        pytest.param("1 / 0", 1, "ZeroDivisionError: division by zero", id="may pass"),
        pytest.param("raise SystemExit(7)", 2, "SystemExit: 7", id="exit"),
    ],
)
def test_application(text: str, status: int, words: str, tmp_path: Path) -> None:
    """Exit status 2 says that another try is of no use."""
    (tmp_path / "app.py").write_text(text)
    code = "from fluxsync.process import child; child.import_application('app:app')"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('imported')"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    output = done.stdout + done.stderr
    assert (done.returncode, words in output) == (status, True), output


@pytest.mark.streamlit
def test_report(tmp_path: Path) -> None:
    """It's ready when the application is imported, whose modules are hidden by none of ours."""
    (tmp_path / "spec.py").write_text("MINE = 1")
    (tmp_path / "app.py").write_text("import spec\napp = spec.MINE; print('imported')")
    read, write = os.pipe()
    options = ("--server.port=0", "--server.headless=true", "--server.address=127.0.0.1")
    with subprocess.Popen(
        [
            *(sys.executable, child.__file__, str(write), str(os.getpid())),
            *("app:app", "app.py", *options),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        pass_fds=(write,),
    ) as process:
        os.close(write)
        with open(read) as pipe:
            port = pipe.readline().strip()
        process.terminate()
        output, _ = process.communicate()
    assert port.isdecimal(), output
    assert "imported" in output


SUPERVISOR = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {text!r}, str(os.getpid())])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("libc", [True, False])
def test_end_of_the_supervisor(libc: bool, early: bool) -> None:
    """It ends too, with and without the kernel's help."""
    text = (
        "import ctypes, sys, time; from fluxsync.process import child\n"
        + ("" if libc else "ctypes.CDLL = lambda *_, **__: object()\n")
        + "child.die_with(int(sys.argv[1])); print('bound', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR.format(text=text)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as supervisor:
        assert supervisor.stdout is not None
        process = psutil.Process(int(supervisor.stdout.readline()))
        if not early:
            assert supervisor.stdout.readline() == b"bound\n"
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    eventually(lambda: not is_alive(process))


def test_supervisor_that_has_ended_already() -> None:
    text = "from fluxsync.process import child; child.die_with(1 << 22)"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, check=False)
    assert done.returncode == 1


def test_listeners(tmp_path: Path) -> None:
    """Only what listens, on IPv4 and IPv6; no connection and no Unix socket."""
    before = set(child.listeners())
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()),
        socket.socket() as bound,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        bound.bind(("127.0.0.1", 0))
        unix.bind(str(tmp_path / "s"))
        unix.listen()
        assert set(child.listeners()) - before == {server.getsockname()}


def test_report_listener() -> None:
    """What was there before Streamlit isn't Streamlit's."""
    read, write = os.pipe()
    with socket.create_server(("127.0.0.1", 0)):
        known = frozenset(child.listeners())
        with socket.create_server(("127.0.0.1", 0)) as server:
            child.report_listener(write, known)
            with os.fdopen(read) as pipe:
                assert pipe.read() == f"{server.getsockname()[1]}\n{child.frontend()}\n"
            with socket.create_connection(server.getsockname()), server.accept()[0] as accepted:
                # Else the second of two writes waits for the other side.
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


FRONTEND = """
import os, sys
from fluxsync.process import child, installation
before = child.frontend()
import streamlit.config
if len(sys.argv) > 1:
    streamlit.config.set_option("global.developmentMode", True)
identity = installation.identify(os.path.dirname(streamlit.__file__), streamlit.__version__)
print(before == "", identity != "", child.frontend() == identity, child.frontend() == "")
"""


@pytest.mark.parametrize("development", [True, False])
def test_frontend(development: bool) -> None:
    """Nothing is said before Streamlit is there, or when it serves no files itself."""
    done = subprocess.run(
        [sys.executable, "-c", FRONTEND, *["x"] * development],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"True True {not development} {development}\n"
