"""The files in ``deploy`` for systemd, containers and Kubernetes, and what they start."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from fluxsync import FluxSyncSettings
from fluxsync.config.advice import advise
from fluxsync.sansio.routing import HEALTH_PATHS
from fluxsync.scaffold import create_image_files, create_project
from tests.support import http
from tests.support.containers import copy_context
from tests.support.deployed import program
from tests.support.processes import PYTHON, ROOT, Server, environment, free_port
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from tests.conftest import StartServer

DEPLOY = ROOT / "deploy"
APP = """
from fluxsync import FluxSync

app = FluxSync()


@app.page("/", title="Home")
def home(st):
    st.title("Home")
"""
#: All is read-only but one directory for temporary files (not ``/tmp``, where the tests' Python
#: may be), the user is nobody in particular, and the command is process 1. The capability is
#: there because that Python may be in root's home.
LOCKED_UP = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
cp -r "$APP"/. /mnt
mkdir /mnt/tmp
mount -t tmpfs -o mode=1777 tmpfs /mnt/tmp
mount -o remount,ro /mnt
mount -o remount,bind,ro /
cd /mnt
exec setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \\
    --bounding-set=-all,+dac_read_search --inh-caps=+dac_read_search \\
    --ambient-caps=+dac_read_search "$@"
"""


def settings_named(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"FLUXSYNC_([A-Z_]+)\b", text)}


@pytest.mark.parametrize(
    "path",
    sorted(p for p in DEPLOY.rglob("*") if p.parent.name in ("systemd", "container", "kubernetes")),
    ids=lambda path: path.name,
)
def test_settings_exist(path: Path) -> None:
    assert settings_named(path.read_text()) <= set(FluxSyncSettings.model_fields)


# systemd


@pytest.mark.parametrize("name", ["systemd/fluxsync.service", "container/compose.yaml"])
def test_nothing_to_advise_against(name: str) -> None:
    """What they set, "config --strict" has nothing to say about."""
    pattern = r"^[^#\n]*?FLUXSYNC_([A-Z_]+)(?:=|: )\"?([^\s\"%]+)"
    values = dict(re.findall(pattern, (DEPLOY / name).read_text(), re.MULTILINE))
    values.pop("STATE_DIR", None)
    assert values
    settings = FluxSyncSettings(**{key.lower(): value for key, value in values.items()})
    assert [advice.message for advice in advise(settings, {})] == []


def unit() -> str:
    return (DEPLOY / "systemd" / "fluxsync.service").read_text()


def test_unit_is_understood(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze on this machine")
    stand_in = f"ExecStart={shutil.which('true')}"
    text = re.sub(r"^ExecStart=\S+", stand_in, unit(), flags=re.MULTILINE)
    (tmp_path / "fluxsync.service").write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "fluxsync.service"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert [line for line in done.stderr.splitlines() if "fluxsync" in line] == []
    assert done.returncode == 0, done.stderr


@pytest.mark.streamlit
def test_start_line_of_the_unit(serve: StartServer) -> None:
    """It listens where the unit says, and ends in the time that systemd gives it."""
    [line] = re.findall(r"^ExecStart=(.*)", unit(), re.MULTILINE)
    command, *arguments = line.split()
    assert command.endswith("/.venv/bin/fluxsync")
    variables = dict(re.findall(r"(FLUXSYNC_\w+)=(\S+)", unit()))
    port = free_port()
    assert variables.pop("FLUXSYNC_GATEWAY_PORT") == "8000"
    env = {n: v for n, v in variables.items() if "%" not in v}
    assert set(variables) - set(env) == {"FLUXSYNC_STATE_DIR", "FLUXSYNC_CACHE_DIR"}
    env["FLUXSYNC_GATEWAY_PORT"] = str(port)
    server = Server(*PYTHON, "-m", "fluxsync", *arguments, env=env)
    (server.directory / "run").mkdir(mode=0o700)
    server.env["FLUXSYNC_STATE_DIR"] = str(server.directory / "run")
    (server.directory / "app.py").write_text(APP)

    serve(server)
    eventually(lambda: is_ready(port), 60, lambda: server.output)

    [limit] = re.findall(r"^TimeoutStopSec=(\d+)", unit(), re.MULTILINE)
    assert int(limit) > FluxSyncSettings.model_fields["graceful_timeout_s"].default + 5
    assert server.stop(timeout=int(limit)) == 0


def is_ready(port: int) -> bool:
    try:
        return http.get(port, "/readyz").status == 200
    except ConnectionError:
        return False


# Containers


def dockerfile() -> str:
    return (DEPLOY / "container" / "Dockerfile").read_text()


def instructions(text: str = "") -> dict[str, str]:
    """Return the last of each instruction in a Dockerfile, lines joined."""
    text = re.sub(r"^#.*\n", "", text or dockerfile(), flags=re.MULTILINE).replace("\\\n", "")
    return {line.split()[0]: line.partition(" ")[2] for line in text.splitlines() if line}


def test_image_is_what_build_writes(tmp_path: Path) -> None:
    """Do what this does, with the newest Python, when it fails after a release."""
    (tmp_path / "requirements.txt").write_text("fluxsync\n")

    files = create_image_files(tmp_path, tmp_path, ["fluxsync", "run", "app:app"], python="3.13")

    assert {path.name for path in files} == {"Dockerfile", ".dockerignore"}
    for path in files:
        assert path.read_text() == (DEPLOY / "container" / path.name).read_text()


def test_dockerfile_is_clean() -> None:
    hadolint = program("hadolint")
    if not hadolint:
        pytest.skip("no hadolint on this machine")
    path = DEPLOY / "container" / "Dockerfile"

    done = subprocess.run([hadolint, str(path)], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.streamlit
@pytest.mark.skipif(os.getuid() != 0, reason="mounts need root")
def test_image_of_a_new_project_locked_up(serve: StartServer, tmp_path: Path) -> None:
    """The image's command and health check, with nothing to write to but temporary files."""
    context = tmp_path / "my-app"
    create_project(context, "my-app")
    [written, ignore] = create_image_files(context, context, ["fluxsync", "run", "app:app"])
    # Were this in the image, it wouldn't start.
    (context / ".env").write_text("FLUXSYNC_NO_SETTING=1\n")
    copied = tmp_path / "copied"
    copy_context(context, ignore.read_text(), copied)
    image = instructions(written.read_text())
    command, check = (json.loads(image[n][image[n].index("[") :]) for n in ("CMD", "HEALTHCHECK"))
    assert (command[0], check[0]) == ("fluxsync", "python")
    port = free_port()
    variables = dict(re.findall(r"(\w+)=(\S+)", image["ENV"]))
    assert variables.pop("FLUXSYNC_CACHE_DIR") in image["RUN"]
    assert variables["HOME"] == "/tmp"
    variables.update(HOME="/mnt/tmp", TMPDIR="/mnt/tmp")
    # What somebody adds who runs the image, and a proxy that Docker adds.
    variables.update(PORT=str(port), FLUXSYNC_ROOT_PATH="/tools/app")
    variables.update(http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    inside = ("bash", "-c", LOCKED_UP, "bash", *PYTHON, "-m", *command)
    unshare = ("unshare", "--mount", "--pid", "--fork", "--mount-proc")
    server = Server(*unshare, *inside, env={**variables, "APP": str(copied)})

    def check_health() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PYTHON[0], *check[1:]],
            cwd=copied,
            env=environment(variables),
            capture_output=True,
            text=True,
        )

    serve(server)
    eventually(lambda: is_ready(port), 60, lambda: server.output)

    healthy = check_health()
    assert (healthy.returncode, healthy.stderr) == (0, "")
    assert http.get(port, "/tools/app/api/hello").status == 200
    assert "Read-only file system" not in server.output
    [first] = [p for p in server.find("-m", "fluxsync", "run") if p.ppid() == server.pid]
    assert first.uids().effective == 10001
    first.terminate()
    assert server.wait(20) == 0
    assert check_health().returncode == 1


def test_compose_agrees_with_the_image() -> None:
    app = yaml.safe_load((DEPLOY / "container" / "compose.yaml").read_text())["services"]["app"]

    assert app["read_only"]
    assert app["ports"] == [f"127.0.0.1:8000:{instructions()['EXPOSE']}"]
    assert "/tmp" in app["tmpfs"][0]
    assert instructions()["USER"] != "root"
    grace = FluxSyncSettings.model_fields["graceful_timeout_s"].default
    assert int(app["stop_grace_period"].rstrip("s")) > grace + 5


# Kubernetes


def resources() -> dict[str, dict[str, t.Any]]:
    text = (DEPLOY / "kubernetes" / "fluxsync.yaml").read_text()
    return {resource["kind"]: resource for resource in yaml.safe_load_all(text)}


@pytest.mark.parametrize("kind", ["Deployment", "Service", "Ingress", "PodDisruptionBudget"])
def test_manifest_is_valid(kind: str) -> None:
    kubernetes_validate.validate(resources()[kind], "1.30", strict=True)


def test_manifests_agree() -> None:
    """With each other, with the image, and with fluxsync's paths and times."""
    found = resources()
    pod = found["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    labels = pod["metadata"]["labels"]
    [port] = container["ports"]
    [service_port] = found["Service"]["spec"]["ports"]
    [path] = found["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    probes = {n: container[f"{n}Probe"]["httpGet"] for n in ("startup", "readiness", "liveness")}
    grace = FluxSyncSettings.model_fields["graceful_timeout_s"].default
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])

    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert port["containerPort"] == int(instructions()["EXPOSE"])
    assert service_port["targetPort"] == port["name"]
    assert path["backend"]["service"]["name"] == found["Service"]["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] == service_port["name"]
    assert {p["path"] for p in probes.values()} <= set(HEALTH_PATHS)
    assert probes["liveness"]["path"] == "/healthz"
    assert probes["readiness"]["path"] == "/readyz"
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + grace + 5
    user = instructions()["USER"].partition(":")[0]
    assert pod["spec"]["securityContext"]["runAsUser"] == int(user)
    startup = container["startupProbe"]
    start = FluxSyncSettings.model_fields["streamlit_start_timeout_s"].default
    assert startup["periodSeconds"] * startup["failureThreshold"] >= start
