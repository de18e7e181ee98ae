"""What cannot start says why, in the words of who knows; the rest goes on."""

from __future__ import annotations

import html
import json
import re
import socket

import pytest

from tests.conftest import StartServer
from tests.live.served import APP, Application, Fluxsync
from tests.support import http
from tests.support.processes import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

#: In Streamlit's process only.
IN_STREAMLIT = "\nimport os\nif '_FLUXSYNC_PAGES' in os.environ:\n    "

BROKEN = [
    pytest.param(
        {"FLUXSYNC_STREAMLIT_RUN_CLI_ARGS": "--server.noSuchOption=1"},
        {},
        "No such option",
        id="option",
    ),
    pytest.param(
        {"FLUXSYNC_STREAMLIT_SCRIPT": "no_such.py"},
        {},
        "File does not exist: no_such.py",
        id="file",
    ),
    pytest.param(
        {"FLUXSYNC_STREAMLIT_SCRIPT": "page.py"},
        {"page.py": "import streamlit as st\n\nst.write('hello'\n"},
        "SyntaxError: '(' was never closed (page.py, line 3)",
        id="syntax",
    ),
    pytest.param(
        {"FLUXSYNC_STREAMLIT_SCRIPT": "page.py"},
        {"page.py": "'A page.'\nimport streamlit as st\nimport no_such_module\n"},
        "can't import page.py, line 3: ModuleNotFoundError: No module named 'no_such_module'",
        id="import",
    ),
    pytest.param(
        {},
        {"app.py": APP + IN_STREAMLIT + "import no_such_module\n"},
        "ModuleNotFoundError: No module named 'no_such_module'",
        id="import-of-app",
    ),
]


def shown(server: Application) -> http.Response:
    """Return the page that a browser gets."""
    return server.get("/", [("Accept", "text/html")])


@pytest.mark.streamlit
@pytest.mark.parametrize(("env", "files", "words"), BROKEN)
def test_command_ends(
    env: dict[str, str], files: dict[str, str], words: str, serve: StartServer
) -> None:
    """It does by itself, and says why, as soon as Streamlit is known not to start."""
    server = Fluxsync("run", env=env, files=files, ready=False)
    serve(server)
    assert server.wait(20) == 1
    assert words in server.output
    assert re.search("^Streamlit did not start: exit code 2$", server.output, re.MULTILINE)


@pytest.mark.streamlit
@pytest.mark.parametrize(("env", "files", "words"), BROKEN)
def test_api_goes_on(
    env: dict[str, str], files: dict[str, str], words: str, serve: StartServer
) -> None:
    """The page shows the words, and nothing is tried again."""
    env = {"FLUXSYNC_APP": "" if "FLUXSYNC_STREAMLIT_SCRIPT" in env else "app:app", **env}
    server = Application("fluxsync.wsgi", env=env, files=files, ready=False)
    serve(server)
    response = eventually(
        lambda: page if words in html.unescape((page := shown(server)).text) else None,
        20,
        lambda: f"{words!r} in\n{shown(server).text}\n{server.output}",
    )
    assert response.status == 503
    assert response.get("Retry-After") == "30"
    assert server.get("/readyz").status == 503
    assert server.get("/readyz").json()["detail"] == "r1 is FATAL"
    assert server.get("/healthz").status == 200
    assert server.get("/api/openapi.json").status == 200
    assert [replica["starts"] for replica in server.status()["replicas"]] == [1]


@pytest.mark.streamlit
def test_crash_loop(serve: StartServer) -> None:
    """What may pass is tried again, five times; a reload is another try."""
    crash = IN_STREAMLIT + "raise RuntimeError('no database today')\n"
    server = Application(files={"app.py": APP + crash}, ready=False)
    serve(server)
    server.wait_for_line("replica is FATAL", timeout=60)
    assert [replica["starts"] for replica in server.status()["replicas"]] == [5]
    response = eventually(
        lambda: page if (page := shown(server)).get("Retry-After") == "30" else None
    )
    assert response.status == 503
    assert "RuntimeError: no database today" in response.text
    assert server.get("/readyz").status == 503
    assert server.get("/api/pid").status == 200


@pytest.mark.parametrize(
    ("target", "app", "words"),
    [
        pytest.param("nowhere:app", "", "there is no module 'nowhere'", id="module"),
        pytest.param("app:nothing", APP, "app has no attribute 'nothing'", id="attribute"),
        pytest.param("app:os", APP, "app:os is a module, not a FluxSync application", id="type"),
        pytest.param(
            "app", APP, "app='app' from command line: expected module:attribute", id="form"
        ),
        pytest.param(
            "app:app",
            APP + "app.page('/api')(home)\n",
            "page '/api' would never be seen, as the API (api_mount_path) answers '/api': "
            "use another path",
            id="shadowed",
        ),
        pytest.param(
            "app:app",
            APP + "app.page('/')(home)\n",
            "page '/' of home() is registered already, by home(): give one of them another path",
            id="twice",
        ),
        pytest.param(
            "app:app",
            APP + "import no_such_module\n",
            "can't import the application: ModuleNotFoundError: No module named 'no_such_module'",
            id="import",
        ),
        pytest.param(
            "app:app",
            APP + "def\n",
            "can't import the application: SyntaxError: invalid syntax (app.py, line 19)",
            id="syntax",
        ),
    ],
)
def test_target_is_refused(target: str, app: str, words: str, serve: StartServer) -> None:
    """Before anything of Streamlit starts."""
    server = Fluxsync("run", target, files={"app.py": app}, ready=False)
    serve(server)
    assert server.wait() == 2
    assert server.lines[-1].startswith("Error: ")
    assert words in server.lines[-1]
    assert "STARTING" not in server.output


def test_target_is_refused_in_json(serve: StartServer) -> None:
    """What gunicorn's worker says of it is the only line."""
    server = Fluxsync("run", "nope:app", env={"FLUXSYNC_LOG_FORMAT": "json"}, ready=False)
    serve(server)
    assert server.wait() == 2
    (line,) = server.lines
    assert json.loads(line)["message"].startswith("Error: there is no module 'nope' in ")


@pytest.mark.parametrize(
    ("env", "words"),
    [
        pytest.param(
            {"FLUXSYNC_WORKERS": "many"},
            "Error: workers='many' from environment: expected an integer from 1 to 1024",
            id="value",
        ),
        pytest.param(
            {"FLUXSYNC_WORKER": "2"},
            "Error: worker='***' from environment: expected the name of a setting; "
            "did you mean 'workers'?",
            id="name",
        ),
        pytest.param(
            {"FLUXSYNC_STATE_DIR": "/dev/null"},
            "Error: state_dir='/dev/null' from environment: expected a directory that can be made "
            "(File exists); set FLUXSYNC_STATE_DIR to one",
            id="no directory",
        ),
    ],
)
def test_setting_is_refused(env: dict[str, str], words: str, serve: StartServer) -> None:
    server = Fluxsync("run", "app:app", env=env, ready=False)
    serve(server)
    assert server.wait() == 2
    assert words in server.lines


def test_state_directory_of_somebody_else(serve: StartServer) -> None:
    """Nothing is started where others could put a socket of their own."""
    server = Fluxsync("run", "app:app", ready=False)
    server.state_base.mkdir()
    server.state_base.chmod(0o777)
    serve(server)
    assert server.wait() == 2
    (line,) = server.lines
    assert line.endswith("expected a directory of your own that nobody else may write")


def test_port_is_taken(serve: StartServer) -> None:
    """Whoever has it never sees a connection of ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.setblocking(False)
        port = other.getsockname()[1]
        server = Fluxsync("run", "app:app", port=port, ready=False)
        serve(server)
        assert server.wait() == 2
        assert server.lines == [
            f"Error: gateway_port={port} from command line: expected a free port on 127.0.0.1 "
            "(Address already in use); choose another one with --port"
        ]
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.streamlit
def test_application_with_a_listener_of_its_own(serve: StartServer) -> None:
    """It is not taken for Streamlit, even though it answers everything with 200."""
    port = free_port()
    listener = f"""
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
{IN_STREAMLIT}threading.Thread(
    target=http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever, daemon=True
).start()
"""
    server = Application(files={"app.py": APP + listener})
    serve(server)
    assert http.get(port, "/").text == "ok"
    assert "<title>Streamlit</title>" in server.get("/").text


@pytest.mark.streamlit
def test_environment_of_streamlit(serve: StartServer) -> None:
    """What is not listed stays out; the cookie secret outlives the process."""
    env = {
        "DATABASE_PASSWORD": "swordfish",
        "WEATHER_URL": "http://weather",
        "FLUXSYNC_STREAMLIT_ENV": "WEATHER_*",
    }
    server = Application(env=env)
    serve(server)
    streamlit = server.streamlit()
    before = streamlit.environ()
    assert "DATABASE_PASSWORD" not in before
    assert before["WEATHER_URL"] == "http://weather"
    assert before["FORWARDED_ALLOW_IPS"] == "127.0.0.1"
    assert len(before["STREAMLIT_SERVER_COOKIE_SECRET"]) >= 32
    streamlit.kill()
    eventually(lambda: set(server.streamlits()) - {streamlit}, 20)
    after = server.streamlit().environ()
    assert after["STREAMLIT_SERVER_COOKIE_SECRET"] == before["STREAMLIT_SERVER_COOKIE_SECRET"]
