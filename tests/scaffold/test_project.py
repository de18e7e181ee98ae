from __future__ import annotations

import configparser
import dataclasses
import os
import re
import resource
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import fluxsync
from fluxsync.config import FluxSyncSettings, advice
from fluxsync.config.environment import streamlit_environment
from fluxsync.exceptions import ConfigError, ScaffoldError
from fluxsync.scaffold import create_image_files, create_project, project

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
    expected = set(project.PROFILES[profile].files)
    if project.PROFILES[profile].has_image:
        expected |= {"Dockerfile", ".dockerignore"}

    files = create_project(directory, "my-app", profile)

    assert {str(path.relative_to(directory)) for path in files} == expected
    assert below(directory) == expected


def test_no_template_is_forgotten() -> None:
    templates = Path(project.__file__).with_name("templates")

    of_images = {"Dockerfile.tmpl", "dockerignore.tmpl"}
    profiles = project.PROFILES.values()
    used = of_images.union(*(profile.files.values() for profile in profiles))
    used = used.union(*(profile.sections for profile in profiles))
    assert below(templates) == used
    assert not [name for name in below(templates) if name.startswith(".")]


def test_everything_is_filled_in(tmp_path: Path, profile: str) -> None:
    for path in create_project(tmp_path / "bike_counts", "bike_counts", profile):
        # A shell's, in a README, are commands or in capitals. GitHub's are in two braces.
        assert not re.search(r"\$(?![A-Z(]|{[A-Z]|{{ )", path.read_text(encoding="utf-8"))


def test_settings(tmp_path: Path, profile: str) -> None:
    create_project(tmp_path / "bike_counts", "bike_counts", profile)

    settings = tomllib.loads((tmp_path / "bike_counts" / "fluxsync.toml").read_text())

    assert (settings["app"], settings["title"]) == ("app:app", "Bike counts")
    # Those of the environment and of the platform are to count.
    assert not {"gateway_host", "gateway_port", "workers", "log_level"} & set(settings)
    assert not {name for name in settings if re.search("secret|token", name)}


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
    """Also where somebody has it from git, as the workflow does."""
    create_project(tmp_path / "my-app", "my-app", profile)
    (tmp_path / "my-app" / ".env").unlink(missing_ok=True)

    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path / "my-app",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stdout
    assert re.search(r"^\d+ passed", result.stdout, re.MULTILINE)


def test_example_is_what_a_new_project_is(tmp_path: Path) -> None:
    create_project(tmp_path, "posit-connect", "posit")

    example = REPOSITORY / "deploy" / "posit-connect"
    for target in project.PROFILES["posit"].files:
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
        pytest.param("\u0661a", id="other digit"),
    ],
)
def test_bad_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="expected letters, digits"):
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


@pytest.fixture
def impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last file can't be written."""
    files = {**project.PROFILES["minimal"].files, "app.py/below-a-file": "Procfile.tmpl"}
    profile = dataclasses.replace(project.PROFILES["minimal"], files=files)
    monkeypatch.setitem(project.PROFILES, "minimal", profile)


@pytest.mark.usefixtures("impossible")
def test_all_or_nothing(tmp_path: Path) -> None:
    """The other files go, too."""
    with pytest.raises(ScaffoldError, match=r"app\.py exists already"):
        create_project(tmp_path / "my-app", "my-app")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("impossible")
def test_empty_directory_stays(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError):
        create_project(tmp_path, "my-app")

    assert list(tmp_path.iterdir()) == []


# As a program


def new(directory: Path, *args: str, limit: int = -1) -> subprocess.CompletedProcess[str]:
    """Run ``fluxsync new``.

    :param limit: Most bytes of a file; the next one fails, as on a full disk.
    """
    return subprocess.run(
        [sys.executable, "-m", "fluxsync", "new", *args],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
    )


def test_disk_is_full_half_way(tmp_path: Path) -> None:
    done = new(tmp_path, "my-app", "--profile", "deploy", limit=1024)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: .*can't be written: .*\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once(tmp_path: Path) -> None:
    """One of them makes the project, and all of it."""
    barrier = threading.Barrier(2)

    def create(_: int) -> str:
        barrier.wait(10)
        try:
            return str(len(create_project(tmp_path / "my-app", "my-app")))
        except ScaffoldError as e:
            return str(e)

    expected = set(project.PROFILES["minimal"].files)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            first, second = sorted(pool.map(create, range(2)), key=len)
            assert first == str(len(expected))
            assert "choose another name" in second
            assert below(tmp_path / "my-app") == expected
            shutil.rmtree(tmp_path / "my-app")


def test_command(tmp_path: Path) -> None:
    """Names that lead elsewhere, and none, in the same directory."""
    (tmp_path / "my-app").mkdir()

    there = new(tmp_path / "my-app", ".")
    assert (there.returncode, there.stderr) == (0, "")
    assert (tmp_path / "my-app" / "README.md").read_text().startswith("# my-app\n")

    for name, status, reason in (
        ("my-app", 1, "my-app isn't empty"),
        ("", 2, "NAME='' from command line: expected letters"),
        ("x/1st", 2, "NAME='1st' from command line"),
        ("x/first", 1, "x doesn't exist: create it first"),
    ):
        done = new(tmp_path, name)
        assert (done.returncode, done.stdout) == (status, "")
        assert re.fullmatch(rf"Error: {reason}.*\n", done.stderr)
    assert below(tmp_path) == {f"my-app/{name}" for name in project.PROFILES["minimal"].files}


# What only some have


@pytest.mark.parametrize("kind", ["auth-ready", "deploy"])
def test_secret(tmp_path: Path, kind: str) -> None:
    """Each project has its own, and only its owner reads it; git and images haven't got it."""
    found = set()
    for name in ("one", "two"):
        create_project(tmp_path / name, name, kind)
        path = tmp_path / name / ".env"
        assert path.stat().st_mode & 0o777 == 0o600
        [secret] = re.findall(r"^FLUXSYNC_\w+=(.{64})$", path.read_text(), re.MULTILINE)
        found.add(secret)
        assert ".env" in (tmp_path / name / ".gitignore").read_text().splitlines()
        others = (p for p in (tmp_path / name).rglob("*") if p.is_file() and p != path)
        assert not [other for other in others if secret in other.read_text()]
    assert len(found) == 2


def test_token_of_auth_ready(tmp_path: Path) -> None:
    """What its README says to try, and what it says before there's a secret."""
    create_project(tmp_path / "my-app", "my-app", "auth-ready")

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path / "my-app",
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:."},
            capture_output=True,
            text=True,
        )

    token = "import sys, runpy; sys.argv = ['', 'ada']; runpy.run_path('make_token.py')"
    view = """
import sys
from app import app
from fluxsync.testing import FluxSyncTestClient
with FluxSyncTestClient(app) as client:
    fields = {"Authorization": "Bearer " + sys.stdin.readline().strip()}
    print(client.api_get("/me", headers=fields).json)
"""
    made = run(token).stdout.strip()
    assert run(view.replace("sys.stdin.readline()", repr(made))).stdout == "{'name': 'ada'}\n"

    (tmp_path / "my-app" / ".env").unlink()
    assert "FLUXSYNC_JWT_HS256_SECRET isn't set" in run(token).stderr
    # It doesn't start open to everybody.
    last = run("import app").stderr.splitlines()[-1]
    assert "jwt_jwks_url='' from default: expected an https URL, or jwt_hs256_secret" in last


def test_login_of_auth_ready(tmp_path: Path) -> None:
    """With a provider, the API has its routes, and pages know of it without any secret."""
    create_project(tmp_path / "my-app", "my-app", "auth-ready")
    (tmp_path / "my-app" / ".env").unlink()
    settings = tomllib.loads((tmp_path / "my-app" / "fluxsync.toml").read_text())
    environ = {
        **os.environ,
        "PYTHONPATH": f"{REPOSITORY}:.",
        "FLUXSYNC_OIDC_BFF_SECRET": "of the application" * 2,
        "OIDC_ISSUER": "https://login.example.org",
        "OIDC_CLIENT_ID": "my-app",
        "OIDC_CLIENT_SECRET": "of the provider",
    }
    code = """
import os
from app import app, my_page, provider
print(provider, "/auth/login" in str(app.api.url_map), os.environ.get("OIDC_CLIENT_SECRET"))
"""

    def run(env: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path / "my-app",
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run(environ) == "https://login.example.org True of the provider"
    pages = streamlit_environment(environ, settings["streamlit_env"])
    assert run(pages) == "https://login.example.org False None"


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A project of the profile ``deploy``."""
    create_project(tmp_path / "my-app", "my-app", "deploy")
    return tmp_path / "my-app"


def test_image_of_deploy(deploy: Path) -> None:
    """It's what ``fluxsync build --force`` writes."""
    names = ("Dockerfile", ".dockerignore")
    before = [(deploy / name).read_text() for name in names]

    create_image_files(deploy, deploy, ["fluxsync", "run", "app:app"], overwrite=True)

    assert [(deploy / name).read_text() for name in names] == before


def test_deploy_starts_strictly(deploy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all places that it's made for, and in none that it isn't."""
    unit = (deploy / "fluxsync.service").read_text()
    app = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]["app"]
    variables = re.findall(r"(FLUXSYNC_\w+)=(\S+)", unit)
    places = {
        "systemd": {name: value for name, value in variables if "%" not in value},
        "container": app["environment"],
        "platform": {"PORT": "8000", "WEB_CONCURRENCY": "2"},
    }
    for name in [name for name in os.environ if "FLUXSYNC" in name]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(deploy)

    for place, environ in places.items():
        with monkeypatch.context() as here:
            for name, value in environ.items():
                here.setenv(name, value)
            settings = FluxSyncSettings()
            assert settings.strict_startup
            assert settings.log_format == ("text" if place == "platform" else "json")
            advice.enforce(settings)

    (deploy / ".env").unlink()
    monkeypatch.setenv("FLUXSYNC_TRUST_PROXY", "true")
    with pytest.raises(advice.StartRefused, match="set operations_token"):
        advice.enforce(FluxSyncSettings())


def commands(text: str) -> str:
    """Return a file without its comments and empty lines."""
    lines = (line.rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def test_deploy_is_what_deploy_has(deploy: Path) -> None:
    """Its files are those in ``deploy``, but for names and what is marked there."""
    there = REPOSITORY / "deploy"

    unit = commands((there / "systemd" / "fluxsync.service").read_text())
    unit = unit.replace("An API and Streamlit pages on one port", "My app")
    unit = re.sub(r"(/srv/)app\b", r"\1my-app", unit)
    unit = re.sub(r"((?:Directory=|%./|/etc/))fluxsync\b", r"\1my-app", unit)
    own = commands((deploy / "fluxsync.service").read_text())
    # The limit of bodies is for all places, and so in fluxsync.toml.
    limit = "FLUXSYNC_GATEWAY_MAX_PROXY_REQUEST_BODY_BYTES"
    assert f"{limit[9:].lower()} = " in (deploy / "fluxsync.toml").read_text()
    missing = set(unit.splitlines()) - set(own.splitlines())
    assert {line.partition("=")[2].partition("=")[0] for line in missing} == {limit}

    caddy = commands((there / "proxies" / "Caddyfile").read_text())
    caddy = caddy.replace("app.example.org", "{$DOMAIN}").replace("127.0.0.1:8000", "app:8000")
    assert commands((deploy / "Caddyfile").read_text()) == caddy

    compose = yaml.safe_load((there / "container" / "compose.yaml").read_text())
    own_compose = yaml.safe_load((deploy / "compose.yaml").read_text())
    app = own_compose["services"]["app"]
    assert app.pop("env_file") == [{"path": ".env", "required": False}]
    expected = compose["services"]["app"]
    del expected["environment"][limit]
    assert expected["environment"].items() <= app.pop("environment").items()
    expected.pop("environment")
    assert own_compose == compose
