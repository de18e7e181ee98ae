"""``fluxsync workbench`` and ``fluxsync config`` in sessions of IDEs."""

from __future__ import annotations

import json
import subprocess

import pytest

from fluxsync.sansio.workbench import hide_port
from tests.conftest import StartServer
from tests.live.served import Fluxsync
from tests.support import http
from tests.support.processes import PYTHON, environment
from tests.support.upstream import FakeStreamlit

pytestmark = pytest.mark.live_server

SESSION = {
    "POSIT_PRODUCT": "WORKBENCH",
    "RS_SERVER_URL": "https://wb.example/",
    "RS_SESSION_URL": "/s/1234/",
    "RS_PORT_TOKEN": "0123456789ab",
}


def fluxsync(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*PYTHON, "-m", "fluxsync", *args]
    return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=60)


def test_session(serve: StartServer, upstream: FakeStreamlit) -> None:
    """The URL for people, the line that Positron looks for, and a browser's requests."""
    server = Fluxsync("workbench", env={"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url, **SESSION})
    serve(server)

    path = f"/s/1234/p/{hide_port(server.port, SESSION['RS_PORT_TOKEN'])}"
    server.wait_for_line(rf"^Running on http://127\.0\.0\.1:{server.port}$")
    server.wait_for_line(rf"^In the browser: https://wb\.example{path}/$")
    # Workbench removes the path, and says that the host is this machine.
    fields = [("Host", f"localhost:{server.port}"), ("Origin", "https://wb.example")]
    assert http.post(server.port, "/echo", b"x", fields).status == 200
    assert upstream.requests[-1].get("X-Forwarded-Prefix") == path
    server.interrupt()
    assert server.wait() == 0
    assert server.processes() == []


def test_session_that_does_not_know_its_server(serve: StartServer, upstream: FakeStreamlit) -> None:
    env = {**SESSION, "RS_SERVER_URL": "", "FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url}
    server = Fluxsync("workbench", env=env)
    serve(server)

    path = f"/s/1234/p/{hide_port(server.port, SESSION['RS_PORT_TOKEN'])}"
    server.wait_for_line(rf"^In the browser: {path}/$")


def test_elsewhere(upstream: FakeStreamlit) -> None:
    answer = fluxsync("workbench", env={"FLUXSYNC_STREAMLIT_UPSTREAM": upstream.url})

    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "fluxsync dev" in answer.stderr


def test_config() -> None:
    """Which setting comes from where, and which rule finds the root path."""
    env = {**SESSION, "FLUXSYNC_TRUST_PROXY": "true"}
    text = fluxsync("config", "--port", "8050", env=env).stdout

    path = f"/s/1234/p/{hide_port(8050, SESSION['RS_PORT_TOKEN'])}"
    assert "gateway_port = 8050  (command line)\n" in text
    assert "trust_proxy = true  (environment)\n" in text
    assert 'api_mount_path = "/api"\n' in text
    assert f"\nHost: Posit Workbench\nIn the browser: https://wb.example{path}/\n" in text
    assert (
        "  SCRIPT_NAME: as the WSGI server has it\n"
        "  X-Forwarded-Prefix, X-Script-Name, X-Forwarded-Context: as trusted proxies say\n"
        f"  RS_SESSION_URL: {path}\n"
    ) in text
    assert text.endswith(" (body_limit_missing)\n")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"FLUXSYNC_ROOT_PATH": "/tools"}, [("root_path", "/tools")]),
        (
            {"FLUXSYNC_PUBLIC_BASE_URL": "https://example.org/tools"},
            [("public_base_url", "/tools")],
        ),
        ({}, [("SCRIPT_NAME", "as the WSGI server has it"), ("none", "/")]),
        (
            {"POSIT_PRODUCT": "CONNECT"},
            [
                ("SCRIPT_NAME", "as the WSGI server has it"),
                ("RStudio-Connect-App-Base-URL, X-RSC-Request", "as Posit Connect says"),
                ("none", "/"),
            ],
        ),
    ],
)
def test_config_as_json(env: dict[str, str], expected: list[tuple[str, str]]) -> None:
    answer = json.loads(fluxsync("config", "--json", env=env).stdout)

    assert [(rule["rule"], rule["path"]) for rule in answer["root_path"]] == expected
    assert answer["settings"]["workers"] == {"value": 1, "source": "default"}


def test_config_of_a_root_path_that_cannot_be() -> None:
    answer = fluxsync("config", env={"FLUXSYNC_ROOT_PATH": "/api"})

    assert answer.returncode == 2
    assert answer.stderr == (
        "Error: root_path='/api' from environment: expected another path, as /api is taken, or "
        "another api_mount_path\n"
    )
