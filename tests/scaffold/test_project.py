from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import fluxsync
from fluxsync.exceptions import ScaffoldError
from fluxsync.scaffold import create_project, project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(fluxsync.__file__).parents[1]


def below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(params=list(project.PROFILES))
def profile(request: pytest.FixtureRequest) -> str:
    """Each profile in turn."""
    return str(request.param)


def test_files(tmp_path: Path, profile: str) -> None:
    directory = tmp_path / "my-app"
    expected = project.PROFILES[profile]

    files = create_project(directory, "my-app", profile)

    assert [str(path.relative_to(directory)) for path in files] == list(expected)
    assert below(directory) == set(expected)


def test_no_template_is_forgotten() -> None:
    templates = Path(project.__file__).with_name("templates")

    of_images = {"Dockerfile.tmpl", "dockerignore.tmpl"}
    used = of_images.union(*(files.values() for files in project.PROFILES.values()))
    assert below(templates) == used
    assert not [name for name in below(templates) if name.startswith(".")]


def test_everything_is_filled_in(tmp_path: Path, profile: str) -> None:
    for path in create_project(tmp_path / "bike_counts", "bike_counts", profile):
        # A shell's variables, in a README, are in capitals. GitHub's are in two braces.
        assert not re.search(r"\$(?![A-Z]|{{ )", path.read_text(encoding="utf-8"))


def test_settings(tmp_path: Path, profile: str) -> None:
    create_project(tmp_path / "bike_counts", "bike_counts", profile)

    settings = tomllib.loads((tmp_path / "bike_counts" / "fluxsync.toml").read_text())

    assert settings == {"app": "app:app", "title": "Bike counts"}


def requirements(path: Path) -> dict[str, Requirement]:
    lines = [line for line in path.read_text().splitlines() if line[0] not in "#-"]
    return {found.name: found for found in map(Requirement, lines)}


def test_requirements_have_bounds(tmp_path: Path, profile: str) -> None:
    """And what runs this test is within them."""
    create_project(tmp_path / "my-app", "my-app", profile)

    found = requirements(tmp_path / "my-app" / "requirements.txt")
    assert set(found) == {"fluxsync", "streamlit"}
    found |= requirements(tmp_path / "my-app" / "requirements-dev.txt")
    for name, requirement in found.items():
        assert {clause.operator for clause in requirement.specifier} == {">=", "<"}
        version = fluxsync.__version__ if name == "fluxsync" else metadata.version(name)
        assert requirement.specifier.contains(version, prereleases=True)


def test_workflow(tmp_path: Path, profile: str) -> None:
    """It tests with each Python that fluxsync supports."""
    create_project(tmp_path / "my-app", "my-app", profile)
    text = (tmp_path / "my-app" / ".github" / "workflows" / "test.yml").read_text()
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")

    job = yaml.safe_load(text)["jobs"]["test"]

    supported = re.findall(r":: (3\.\d+)", setup["metadata"]["classifiers"])
    assert job["strategy"]["matrix"] == {"python": supported}
    [python] = [step["with"] for step in job["steps"] if "with" in step]
    assert python["python-version"] == "${{ matrix.python }}"
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["pip install -r requirements-dev.txt", "pytest"]
    readme = (tmp_path / "my-app" / "README.md").read_text()
    assert "\n".join(commands) in readme


def test_tests_of_a_new_project_pass(tmp_path: Path, profile: str) -> None:
    create_project(tmp_path / "my-app", "my-app", profile)

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path / "my-app",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


def test_example_is_what_a_new_project_is(tmp_path: Path) -> None:
    create_project(tmp_path, "posit-connect", "posit")

    example = REPOSITORY / "deploy" / "posit-connect"
    for target in project.PROFILES["posit"]:
        assert (example / target).read_text() == (tmp_path / target).read_text()


def test_empty_directory_is_used(tmp_path: Path) -> None:
    assert create_project(tmp_path, "my-app")[0] == tmp_path / "app.py"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("1st", id="digit first"),
        pytest.param("-x", id="looks like an option"),
        pytest.param("a b", id="space"),
        pytest.param("a/b", id="path"),
        pytest.param("app\n", id="line break"),
        pytest.param('"', id="quote"),
        pytest.param("$name", id="placeholder"),
    ],
)
def test_bad_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ScaffoldError, match="use letters, digits"):
        create_project(tmp_path / "x", name)

    assert not (tmp_path / "x").exists()


def test_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(ScaffoldError, match="isn't empty: choose another name"):
        create_project(tmp_path, "my-app")

    assert below(tmp_path) == {"notes.txt"}


def test_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "my-app").write_text("mine")

    with pytest.raises(ScaffoldError, match="my-app exists already: choose another name"):
        create_project(tmp_path / "my-app", "my-app")

    assert (tmp_path / "my-app").read_text() == "mine"


def test_no_parent(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="nowhere doesn't exist: create it first"):
        create_project(tmp_path / "nowhere" / "my-app", "my-app")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ScaffoldError, match="choose a directory where you may write"):
            create_project(tmp_path / "my-app", "my-app")
    finally:
        tmp_path.chmod(0o700)


def test_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file can't be written, so the others go too."""
    monkeypatch.setitem(project.PROFILES["minimal"], "app.py/below-a-file", "Procfile.tmpl")

    with pytest.raises(ScaffoldError, match=r"app\.py exists already"):
        create_project(tmp_path / "my-app", "my-app")

    assert list(tmp_path.iterdir()) == []


def test_empty_directory_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(project.PROFILES["minimal"], "app.py/below-a-file", "Procfile.tmpl")

    with pytest.raises(ScaffoldError):
        create_project(tmp_path, "my-app")

    assert list(tmp_path.iterdir()) == []
