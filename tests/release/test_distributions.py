"""What is published: an sdist, and the wheel that is made of it, without this repository."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import typing as t
import venv
import zipfile
from pathlib import Path

import pytest

import fluxsync
from fluxsync.scaffold.project import PROFILES
from tests.support import http
from tests.support.processes import ROOT, Server, environment, free_port
from tests.support.waiting import FACTOR, eventually

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

NAME = f"fluxsync-{fluxsync.__version__}"
#: What a build reads.
SOURCES = ("fluxsync", "setup.cfg", "setup.py", "docs", "tests", *("README.rst", "CHANGELOG.rst"))
#: Files that are no modules.
DATA = re.compile(r"py\.typed|gateway/.*\.html|scaffold/templates/.*|tunnel/script/.*\.js")


def own_files() -> set[str]:
    """Return what of the package belongs into a wheel, as it's found here."""
    package = ROOT / "fluxsync"
    paths = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    names = {str(path) for path in paths if "__pycache__" not in path.parts}
    return {f"fluxsync/{name}" for name in names}


def run(*args: str, cwd: Path, **env: str) -> str:
    """Run Python's modules and programs, without this repository on the path."""
    own = {**environment(env), "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        args, cwd=cwd, env=own, capture_output=True, text=True, timeout=120 * FACTOR
    )
    assert done.returncode == 0, f"{args}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, directory: Path, *options: str) -> None:
    """Build without a download: with the setuptools that is here."""
    offline = ("--no-isolation", "--skip-dependency-check", "--outdir", str(directory))
    run(sys.executable, "-m", "build", *offline, *options, cwd=source)


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """Return what is in a wheel, by name; not what lists it."""
    with zipfile.ZipFile(wheel) as file:
        return {i.filename: file.read(i) for i in file.infolist() if "/RECORD" not in i.filename}


def empty_environment(directory: Path, wheel: Path) -> Path:
    """Return the programs of a virtual environment with the wheel, and with our dependencies."""
    venv.create(directory, symlinks=True)
    [site] = directory.glob("lib/python*/site-packages")
    run(
        *(sys.executable, "-m", "pip", "--python", str(directory / "bin" / "python"), "install"),
        *("--quiet", "--no-deps", "--no-index", "--no-cache-dir", str(wheel)),
        cwd=directory,
    )
    # Such lines of those directories aren't read in turn: not what an editable install has there.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(ours))
    return directory / "bin"


@pytest.mark.streamlit
@pytest.mark.live_server
@pytest.mark.timeout(400)  # it starts a dozen programs, one after the other
def test_distributions(tmp_path: Path, serve: StartServer) -> None:
    source, dist, again = (tmp_path / name for name in ("source", "dist", "again"))
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            # Some of the tests' files are what setuptools takes along by their names.
            kept = shutil.ignore_patterns("__pycache__", "artifacts", "_build", "images", "docs")
            shutil.copytree(path, source / name, ignore=kept)
        else:
            shutil.copy(path, source / name)
    shutil.copy(ROOT / "LICENSE", source)

    # The wheel is made of the sdist, and again of what that contains.
    build(source, dist)
    assert {path.name for path in dist.iterdir()} == {
        *(f"{NAME}.tar.gz", f"{NAME}-py3-none-any.whl")
    }
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        sdist = {m.name.removeprefix(f"{NAME}/") for m in archive.getmembers() if m.isfile()}
        archive.extractall(again, filter="data")
    wheel = dist / f"{NAME}-py3-none-any.whl"
    build(again / NAME, tmp_path / "second", "--wheel")
    contents = wheel_files(wheel)
    assert wheel_files(tmp_path / "second" / wheel.name) == contents

    metadata = {name for name in contents if name.startswith(f"{NAME}.dist-info/")}
    assert set(contents) - metadata == own_files()
    assert {n for n in own_files() if not n.endswith(".py")} == {
        n for n in own_files() if DATA.fullmatch(n.removeprefix("fluxsync/"))
    }
    assert [contents[name] for name in metadata if name.endswith("/LICENSE")] == [
        (ROOT / "LICENSE").read_bytes()
    ]
    generated = {name for name in sdist if name.startswith("fluxsync.egg-info/")}
    assert sdist - generated == own_files() | {
        *("LICENSE", "README.rst", "CHANGELOG.rst", "PKG-INFO", "setup.cfg", "setup.py"),
        "docs/MANIFEST.in",
    }
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()), cwd=dist)

    # Installed, and used from an empty directory.
    programs = empty_environment(tmp_path / "environment", wheel)
    empty = tmp_path / "empty"
    empty.mkdir()
    where = run(
        str(programs / "python"), "-c", "import fluxsync as f; print(f.__file__)", cwd=empty
    )
    assert Path(where).is_relative_to(tmp_path / "environment")
    command = str(programs / "fluxsync")
    assert run(command, "--version", cwd=empty).strip() == (
        f"fluxsync, version {fluxsync.__version__}"
    )
    for profile in PROFILES:
        run(command, "new", profile, "--profile", profile, cwd=empty)
        assert (empty / profile / "app.py").is_file()
    python = str(programs / "python")
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=empty / "deploy")

    port = free_port()
    server = Server(command, "demo", "--port", str(port), env={"PYTHONPATH": ""})
    server.env["FLUXSYNC_DEMO_DATABASE"] = str(server.directory / "demo.sqlite3")
    serve(server)
    eventually(lambda: status(port, "/readyz") == 200, 60, lambda: server.output)
    assert "<title>Streamlit</title>" in http.get(port, "/").text
    for target in ("/_stcore/health", "/__fluxsync/shim.js", "/api/openapi.json", "/api/docs"):
        assert status(port, target) == 200, target
    assert str(ROOT) not in server.output
    assert not [p for p in server.processes() if str(ROOT) in " ".join(p.cmdline())]


def status(port: int, path: str) -> int:
    with contextlib.suppress(ConnectionError):
        return http.get(port, path).status
    return 0
