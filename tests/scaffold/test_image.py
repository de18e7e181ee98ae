from __future__ import annotations

import json
import os
import re
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fluxsync.cli import group
from fluxsync.config.sources import COMMAND_LINE_VARIABLE
from fluxsync.exceptions import ScaffoldError
from fluxsync.scaffold import create_image_files
from tests.support.containers import copy_context

COMMAND = ["fluxsync", "run", "app:app"]


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An application in the current directory."""
    directory = tmp_path / "application"
    directory.mkdir()
    (directory / "app.py").write_text("raise AssertionError('imported')")
    (directory / "requirements.txt").write_text("pandas>=2,<3\n")
    monkeypatch.chdir(directory)
    for name in [name for name in os.environ if name.startswith("FLUXSYNC_")]:
        monkeypatch.delenv(name)
    # The command sets it, for processes that it starts.
    monkeypatch.setenv(COMMAND_LINE_VARIABLE, "{}")
    return directory


def build(*args: str) -> Result:
    return CliRunner().invoke(group, ["build", *args])


def refused(*args: str) -> str:
    """Return the line that says why, and see that nothing was written."""
    before = sorted(Path.cwd().rglob("*"))
    result = build(*args)
    assert result.exit_code in (1, 2), result.output
    assert sorted(Path.cwd().rglob("*")) == before
    return result.stderr.splitlines()[-1]


def instruction(name: str, dockerfile: Path) -> str:
    [line] = re.findall(rf"^{name} (.*)", dockerfile.read_text(), re.MULTILINE)
    return str(line)


def run_by(dockerfile: Path) -> t.Any:
    return json.loads(instruction("CMD", dockerfile))


def test_beside_the_application(application: Path) -> None:
    result = build("app:app")

    assert result.exit_code == 0, result.output
    assert "docker build -t app .\n" in result.output
    assert {path.name for path in application.iterdir()} == {
        *("app.py", "requirements.txt", "Dockerfile", ".dockerignore")
    }
    assert run_by(application / "Dockerfile") == COMMAND


def test_elsewhere(application: Path) -> None:
    """Builders read .dockerignore at the root of what they get only."""
    result = build("app:app", "--output", "some where")

    assert "docker build -t app -f 'some where/Dockerfile' .\n" in result.output
    assert {path.name for path in (application / "some where").iterdir()} == {
        *("Dockerfile", "Dockerfile.dockerignore")
    }


@pytest.mark.parametrize("taken", ["Dockerfile", ".dockerignore"])
def test_no_file_is_overwritten_unless_told(application: Path, taken: str) -> None:
    (application / taken).write_text("mine")

    assert refused("app:app") == f"Error: {taken} exists already: --force overwrites it"
    assert (application / taken).read_text() == "mine"

    assert build("app:app", "--force").exit_code == 0
    assert (application / taken).read_text() != "mine"


def test_python_is_exact(application: Path) -> None:
    [dockerfile, _] = create_image_files(application, application, COMMAND, python="3.12")

    assert instruction("FROM", dockerfile) == "python:3.12-slim"


def test_requirements_come_before_the_application(application: Path) -> None:
    """Else each change of it would install them again."""
    [dockerfile, _] = create_image_files(application, application, COMMAND)

    order = re.findall(r"^(COPY .*|RUN|USER)", dockerfile.read_text(), re.MULTILINE)
    assert order == ["COPY requirements.txt ./", "RUN", "COPY . .", "USER"]
    install = instruction("RUN", dockerfile)
    assert re.search(r'-r requirements\.txt "fluxsync\[brotli\]>=[\w.]+,<[\d.]+"', install)


def test_pinned_with_hashes(application: Path) -> None:
    """Then pip refuses whatever is named without one."""
    path = application / "requirements.txt"
    path.write_text("pandas==2.3 \\\n    --hash=sha256:00\n")
    assert "has hashes, but not of fluxsync" in refused("app:app")

    path.write_text(path.read_text() + "fluxsync[brotli]==0.1.0 \\\n    --hash=sha256:00\n")
    [dockerfile, _] = create_image_files(application, application, COMMAND)

    assert instruction("RUN", dockerfile).endswith(" -r requirements.txt \\")
    assert "brotli" not in dockerfile.read_text()


@pytest.mark.parametrize(
    "line", ["-r base.txt", "--constraint=all.txt", "-e .", "./wheels/a.whl", "a @ file:///a.whl"]
)
def test_requirements_that_need_other_files(application: Path, line: str) -> None:
    (application / "requirements.txt").write_text(f"# Ours\nfluxsync\n{line}\n")

    assert f"requirements.txt, line 3: '{line}' needs files" in refused("app:app")


@pytest.mark.parametrize("line", ["--index-url https://example.org", "a @ https://example.org/a"])
def test_requirements_that_need_none(application: Path, line: str) -> None:
    (application / "requirements.txt").write_text(f"{line}\n")

    assert build("app:app").exit_code == 0


def test_no_requirements(application: Path) -> None:
    (application / "requirements.txt").unlink()

    line = refused("app:app")

    assert f"there is no requirements.txt in {application}: write one with" in line
    assert "fluxsync>=" in line


def test_requirements_that_are_no_text(application: Path) -> None:
    (application / "requirements.txt").write_bytes(b"\xff\xfef\0")

    assert "requirements.txt can't be read: expected a text file" in refused("app:app")


def test_directory_without_a_parent(application: Path) -> None:
    with pytest.raises(ScaffoldError, match="a doesn't exist: create it first"):
        create_image_files(application, application / "a" / "b", COMMAND)


# What the image runs


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("nope:app", "there is no module 'nope'"),
        ("nope.app:app", "there is no module 'nope'"),
        ("nope.py:app", "there is no file 'nope.py'"),
        ("../application/app.py:app", "'../application/app.py' isn't in the image"),
        ("/etc/app.py:app", "'/etc/app.py' isn't in the image"),
        (".app:app", "'.app' of '.app:app' is not the name of a module"),
        ("my-app:app", "'my-app' of 'my-app:app' is not the name of a module"),
        ("app", "expected module:attribute"),
    ],
)
def test_target_that_is_not_there(application: Path, target: str, expected: str) -> None:
    assert expected in refused(target)


@pytest.mark.parametrize("target", ["app.py:app", "package.site:make()", "flask.app:Flask"])
def test_target(application: Path, target: str) -> None:
    """It's looked for and not imported, as that may need what only the image has."""
    (application / "package").mkdir()

    assert build(target).exit_code == 0
    assert run_by(application / "Dockerfile") == ["fluxsync", "run", target]


def test_target_of_the_settings(application: Path) -> None:
    (application / "site").mkdir()
    (application / "fluxsync.toml").write_text('app = "site.main:app"\n')

    assert build("--output", ".").exit_code == 0
    assert run_by(application / "Dockerfile") == ["fluxsync", "run", "site.main:app"]


def test_script_of_the_settings(application: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is set here isn't in the image."""
    monkeypatch.setenv("FLUXSYNC_STREAMLIT_SCRIPT", "dash board.py")
    assert "there is no file 'dash board.py'" in refused("--output", ".")

    (application / "dash board.py").touch()
    assert build("--output", ".").exit_code == 0
    assert run_by(application / "Dockerfile") == ["fluxsync", "run", "--script", "dash board.py"]


def test_nothing_to_run(application: Path) -> None:
    (application / "app.py").unlink()

    assert "expected FLUXSYNC_APP=module:attribute" in refused("--output", ".")


def test_options_that_do_not_go_together(application: Path) -> None:
    assert "--force is for a Dockerfile" in refused("--force")
    assert "--cache-dir doesn't go with" in refused("app:app", "--cache-dir", "x")


# What is in the image


def test_secrets_stay_outside(application: Path, tmp_path: Path) -> None:
    """So does what the builder would only be slower for."""
    [_, ignore] = create_image_files(application, application, COMMAND)
    inside = {"app.py", "requirements.txt", "data/x.csv", "pages/env.py", ".streamlit/config.toml"}
    outside = {
        *(".env", ".env.local", "service/.env", ".streamlit/secrets.toml", ".git/config"),
        *("a/.streamlit/secrets.toml", ".venv/bin/python", ".venv-3.12/bin/python"),
        *("__pycache__/app.pyc", "pages/__pycache__/env.pyc", "tests/test_app.py"),
    }
    for name in inside | outside:
        (application / name).parent.mkdir(parents=True, exist_ok=True)
        (application / name).touch()

    copy_context(application, ignore.read_text(), tmp_path / "image")

    copied = (path for path in (tmp_path / "image").rglob("*") if path.is_file())
    assert {str(path.relative_to(tmp_path / "image")) for path in copied} == inside
