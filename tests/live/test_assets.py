"""Streamlit's frontend files, from disk instead of from Streamlit."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import subprocess
import typing as t
from pathlib import Path

import psutil
import pytest

from fluxsync.assets import build, encoders, frontend
from tests.conftest import StartServer
from tests.live.served import Application
from tests.live.test_servers import PROGRAMS
from tests.support import http
from tests.support.certificates import TlsConnection, certificate
from tests.support.http import Connection, Headers, Response
from tests.support.processes import PYTHON, environment, free_port
from tests.support.waiting import FACTOR, eventually

pytestmark = [pytest.mark.live_server, pytest.mark.streamlit]

#: What an origin server writes itself, and what is ours.
OWN = {"date", "server", "connection", "x-request-id", "keep-alive"}
#: What differs by its nature: Streamlit's tag has the time in it, and it compresses nothing.
DIFFERENT = {"etag", "vary"}


@pytest.fixture(scope="session")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory with the installed Streamlit's files, compressed."""
    base = tmp_path_factory.mktemp("cache") / "fluxsync"
    assert len(list(build.build(installed(), [base], encoders.encoders(best=False)))) >= 1
    return base


@pytest.fixture(scope="module", params=["gthread", "gevent", "sync"])
def app(request: pytest.FixtureRequest, compressed: Path) -> t.Iterator[Application]:
    """An application that finds compressed files."""
    env = {"FLUXSYNC_CACHE_DIR": str(compressed), "FLUXSYNC_ROOT_PATH": "/subdir"}
    with Application(env=env, worker_class=request.param) as server:
        yield server


def installed() -> frontend.Frontend:
    """Return the files of the installed Streamlit."""
    package = frontend.find_package()
    assert package is not None
    return frontend.scan(package)


def large() -> str:
    """Return the path of a script of some 480 kB."""
    files = installed().files
    scripts = [url for url in files if url.endswith(".js")]
    return min(scripts, key=lambda url: abs(files[url].size - 480_000))


def streamlit_port(server: Application) -> int:
    (replica,) = server.status()["replicas"]
    return int(replica["address"].rpartition(":")[2])


def comparable(response: Response, *skipped: str) -> tuple[int, Headers, bytes]:
    """Return what must be the same from disk as from Streamlit."""
    left_out = {*OWN, *skipped}
    headers = [(n.lower(), v) for n, v in response.headers if n.lower() not in left_out]
    return response.status, sorted(headers), response.body


def test_every_file(app: Application) -> None:
    """Each is what Streamlit itself sends: bytes, types, and all other fields."""
    origin = ("Origin", "http://example.org")
    paths = sorted(installed().files)
    assert len(paths) > 100
    with Connection(streamlit_port(app)) as streamlit:
        for path in paths:
            ours = app.get(path, [origin])
            theirs = streamlit.request("GET", path, [origin])
            assert comparable(ours, *DIFFERENT) == comparable(theirs, *DIFFERENT), path
            assert ours.get("ETag") != theirs.get("ETag"), path  # it did come from disk


def test_streamlits_own_answers(app: Application) -> None:
    """Other files, unknown names and other methods are Streamlit's."""
    port = streamlit_port(app)
    for method, path in [
        ("GET", "/manifest.json"),
        ("GET", "/favicon.png"),
        ("GET", "/static/js/unknown.js"),
        ("GET", f"{large()}/"),
        ("GET", "/static/js"),
        ("POST", large()),
    ]:
        ours, theirs = app.request(method, path), http.request(port, method, path)
        skipped = ("set-cookie", "location")
        assert comparable(ours, *skipped) == comparable(theirs, *skipped), path


@pytest.mark.parametrize(
    "path",
    [
        "/static/%2e%2e/%2e%2e/%2e%2e/__init__.py",
        "/static/..%2f..%2f..%2f__init__.py",
        "/static/js/%00",
        "/static//static/js",
        "/static/js/..;/..;/index.html",
        "/static/" + "%2e%2e%2f" * 400 + "etc/passwd",
    ],
)
def test_nothing_else_is_served(path: str, app: Application) -> None:
    """They're no frontend files, so they're Streamlit's to refuse, or its page."""
    answer = app.get(path)
    assert answer.status in (200, 400, 404)
    assert "immutable" not in answer.get("Cache-Control")
    if answer.status == 200:
        assert answer.body == http.request(streamlit_port(app), "GET", "/").body


@pytest.mark.parametrize(("accept", "coding"), [("gzip", "gzip"), ("gzip, deflate, br", "br")])
def test_compressed(accept: str, coding: str, app: Application) -> None:
    module: t.Any = gzip if coding == "gzip" else pytest.importorskip("brotli")
    path = large()
    plain = app.get(path)
    answer = app.get(path, [("Accept-Encoding", accept)])
    assert (answer.get("Content-Encoding"), answer.get("Vary")) == (coding, "Accept-Encoding")
    assert module.decompress(answer.body) == plain.body
    assert len(answer.body) < 0.4 * len(plain.body)
    assert answer.get("ETag") != plain.get("ETag")


def test_one_connection(app: Application) -> None:
    """All kinds of answers in a row, each of which ends where it should."""
    path = app.target(large())
    whole = app.get(large()).body
    gzipped = app.get(large(), [("Accept-Encoding", "gzip")]).body
    tag = app.get(large()).get("ETag")
    requests: list[tuple[str, Headers, int, bytes]] = [
        ("GET", [], 200, whole),
        ("HEAD", [], 200, b""),
        ("GET", [("If-None-Match", f'W/{tag}, "x"')], 304, b""),
        ("GET", [("Range", "bytes=10-19")], 206, whole[10:20]),
        ("GET", [("Range", "bytes=-300000")], 206, whole[-300000:]),
        ("GET", [("Range", "bytes=10-300009")], 206, whole[10:300010]),
        ("GET", [("Range", "bytes=9999999-")], 416, b""),
        ("GET", [("Range", "bytes=0-1,5-6")], 200, whole),
        ("GET", [("Range", "bytes=" + "0-0," * 1500)], 200, whole),
        ("GET", [("Range", "bytes=0-1"), ("If-Range", '"x"')], 200, whole),
        ("GET", [("If-None-Match", ',,"' + "x" * 4000)], 200, whole),
        ("GET", [("If-Match", '"x"')], 412, b""),
        ("GET", [("Accept-Encoding", "gzip")], 200, gzipped),
        ("GET", [("Accept-Encoding", "gzip"), ("Range", "bytes=5-")], 206, gzipped[5:]),
        ("HEAD", [("Accept-Encoding", "gzip"), ("Range", "bytes=5-")], 200, b""),
        ("GET", [], 200, whole),
    ]
    connection = app.connection()
    try:
        for method, headers, status, body in requests:
            answer = connection.request(method, path, headers)
            assert (answer.status, answer.complete) == (status, True)
            assert answer.body == body
            if answer.get("Connection").lower() == "close":  # a sync worker's always do
                connection.close()
                connection = app.connection()
    finally:
        connection.close()


def test_pipelined(app: Application) -> None:
    """Two requests in one piece."""
    if app.worker_class == "sync":
        pytest.skip("a sync worker answers one request per connection")
    path = large()
    whole = app.get(path).body
    with app.connection() as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {connection.host}\r\n\r\n".encode()
        connection.send(request * 2)
        assert [connection.read_response().body for _ in range(2)] == [whole] * 2


def test_tags_are_the_same_everywhere(app: Application, serve: StartServer) -> None:
    """On another machine, whose files were compressed there."""
    other = Application()
    base = other.directory / "cache"
    other.env["FLUXSYNC_CACHE_DIR"] = str(base)
    list(build.build(installed(), [base], encoders.encoders(best=False)))
    serve(other)
    for accept in ("identity", "gzip", "br"):
        fields = [("Accept-Encoding", accept)]
        assert app.get(large(), fields).get("ETag") == other.get(large(), fields).get("ETag")


def test_log(worker_class: str, serve: StartServer, compressed: Path) -> None:
    """One line for each request, with what was sent, whoever has sent it."""
    env = {"FLUXSYNC_CACHE_DIR": str(compressed)}
    server = Application("fluxsync.wsgi", env=env, worker_class=worker_class)
    serve(server)
    path = large()
    size = installed().files[path].size
    cases: list[tuple[str, Headers, int, int]] = [
        ("GET", [], 200, size),
        ("GET", [("Range", "bytes=5-")], 206, size - 5),
        ("GET", [("Range", "bytes=5-9")], 206, 5),
        ("GET", [("Range", "bytes=5-300004")], 206, 300_000),
        ("HEAD", [], 200, 0),
        ("GET", [("If-None-Match", "*")], 304, 0),
    ]
    for method, headers, status, count in cases:
        request_id = server.request(method, path, headers).get("X-Request-Id")
        line = server.wait_for_line(rf".*request_id={request_id}.*")[0]
        facts = rf"fluxsync\.access: {method} {path} {status} .* bytes={count} .*route=asset "
        assert re.search(facts, line), line
    assert server.output.count(f" {path} ") == len(cases)


def test_tls(serve: StartServer, compressed: Path) -> None:
    """gunicorn's sockets can't have files sent by the kernel then."""
    made = certificate()
    server = Application(
        env={"FLUXSYNC_CACHE_DIR": str(compressed)},
        args=("--certfile", str(made.certificate), "--keyfile", str(made.key)),
    )
    server.start = server.begin  # type: ignore[method-assign]
    serve(server)
    port = int(server.wait_for_line(r"Listening at: https://127\.0\.0\.1:(\d+)")[1])

    def get(path: str, *headers: tuple[str, str]) -> Response:
        with TlsConnection(port) as connection:
            return connection.request("GET", path, [*headers, ("Connection", "close")])

    eventually(lambda: get("/readyz").status == 200, 40)
    content = Path(installed().files[large()].path).read_bytes()
    assert get(large()).body == content
    assert get(large(), ("Range", "bytes=9-")).body == content[9:]
    assert gzip.decompress(get(large(), ("Accept-Encoding", "gzip")).body) == content


@pytest.mark.parametrize("program", PROGRAMS)
def test_other_servers(program: str, serve: StartServer, compressed: Path) -> None:
    """With a file wrapper of their own, or none."""
    server = Application(env={"FLUXSYNC_CACHE_DIR": str(compressed), "FLUXSYNC_APP": "app:app"})
    server.port = free_port()
    server.args = (*PYTHON, "-c", PROGRAMS[program].format(port=server.port))
    server.start = server.begin  # type: ignore[method-assign]
    serve(server)
    server.wait_ready(60)
    content = Path(installed().files[large()].path).read_bytes()
    for _ in range(2):
        assert server.get(large()).body == content
        assert server.get(large(), [("Range", "bytes=9-")]).body == content[9:]
        assert server.get(large(), [("Range", "bytes=9-300008")]).body == content[9:300_009]
        assert gzip.decompress(server.get(large(), [("Accept-Encoding", "gzip")]).body) == content
        head = server.request("HEAD", large())
        assert (head.get("Content-Length"), head.body) == (str(len(content)), b"")
    eventually(lambda: server.output.count("route=asset") == 10)


def left_in(base: Path) -> list[str]:
    """Return what lies in a cache directory, but for the lock."""
    names = os.listdir(base / "frontend") if (base / "frontend").exists() else []
    return sorted(name for name in names if name != ".lock")


def codings(base: Path) -> list[str]:
    return sorted(name.rsplit(".", 2)[-2] for name in left_in(base))


@pytest.mark.timeout(400)  # it's what processes do that have nothing else to do
def test_compressed_in_the_background(serve: StartServer) -> None:
    """By two applications at once, once. Both have it as soon as it's there."""
    first, second = Application(), Application("fluxsync.wsgi")
    base = first.directory / "shared" / "cache"
    for server in (first, second):
        server.env["FLUXSYNC_CACHE_DIR"] = str(base)
        serve(server)
    expected = sorted(one.coding for one in encoders.encoders(best=False))
    eventually(lambda: codings(base) == expected, 300, lambda: left_in(base))

    def has(server: Application, coding: str) -> bool:
        answer = server.get(large(), [("Accept-Encoding", coding)])
        return answer.get("Content-Encoding") == coding

    for server in (first, second):
        for coding in expected:
            eventually(lambda one=server, name=coding: has(one, name), 10)  # type: ignore[misc]
        eventually(lambda one=server: not one.find("assets/__main__.py"), 60)  # type: ignore[misc]
    assert codings(base) == expected


def test_helper_ends_with_the_server(serve: StartServer) -> None:
    """In the middle of its work, at its start, or after it."""
    server = Application()
    server.env["FLUXSYNC_CACHE_DIR"] = str(server.directory / "cache")
    serve(server)
    (supervisor,) = server.supervisors()
    (helper,) = eventually(lambda: server.find("assets/__main__.py"), 60)
    with contextlib.suppress(psutil.NoSuchProcess):
        assert helper.ppid() == supervisor.pid
    assert server.stop() == 0
    assert server.processes() == []


def test_no_directory_at_all(serve: StartServer) -> None:
    """It's said once, and files are sent as they are."""
    server = Application("fluxsync.wsgi", env={"FLUXSYNC_CACHE_DIR": "/proc/none"})
    server.write(f"fluxsync-cache-{os.getuid()}", "in the way")
    serve(server)
    server.wait_for_line("WARNING fluxsync.assets: frontend files are sent as they are, ", 60)
    for _ in range(3):
        answer = server.get(large(), [("Accept-Encoding", "gzip")])
        assert (answer.status, "Content-Encoding" in answer) == (200, False)
    assert server.output.count("frontend files") == 1


#: Has Streamlit's process believe that it's another Streamlit.
SITE = """
import sys
if any(argument.endswith("child.py") for argument in sys.orig_argv):
    import importlib.metadata
    def version(name, original=importlib.metadata.version):
        return "0.0" if name == "streamlit" else original(name)
    importlib.metadata.version = version
"""


def test_other_streamlit_than_here(serve: StartServer, compressed: Path) -> None:
    """One that serves other files than the worker sees answers itself."""
    server = Application("fluxsync.wsgi", env={"FLUXSYNC_CACHE_DIR": str(compressed)})
    server.write("sitecustomize.py", SITE)
    server.env["PYTHONPATH"] = f"{server.directory}:{environment()['PYTHONPATH']}"
    serve(server)
    answer = server.get(large(), [("Accept-Encoding", "br")])
    assert (answer.status, "Content-Encoding" in answer) == (200, False)
    server.wait_for_line("INFO fluxsync.assets: frontend files are proxied: ")


def call(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run ``fluxsync build`` without Brotli, which takes half a minute for its best."""
    for name in ("brotli", "brotlicffi"):
        (directory / f"{name}.py").write_text("raise ImportError")
    return subprocess.run(
        [*PYTHON, "-m", "fluxsync", "build", *args],
        env=environment({"PYTHONPATH": f"{directory}:{environment()['PYTHONPATH']}"}),
        capture_output=True,
        text=True,
        timeout=60 * FACTOR,
    )


def test_build(tmp_path: Path, serve: StartServer, compressed: Path) -> None:
    """What is made for an image is found where it runs, and smaller."""
    base = tmp_path / "cache"
    first = call(tmp_path, "--cache-dir", str(base))
    assert (first.returncode, first.stderr) == (0, "")
    assert codings(base)[0] == "gzip"
    second = call(tmp_path, "--cache-dir", str(base))
    assert second.stdout.splitlines() == [f"{one} already" for one in first.stdout.splitlines()]
    server = Application(env={"FLUXSYNC_CACHE_DIR": str(base)})
    serve(server)
    answer = server.get(large(), [("Accept-Encoding", "gzip")])
    best, quick = (
        [path.stat().st_size for path in cache.glob(f"frontend/*.gzip.{level}/*")]
        for cache, level in ((base, 9), (compressed, 6))
    )
    assert len(answer.body) in best
    assert sum(best) < sum(quick)


def test_build_without_a_directory(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    done = call(tmp_path, "--cache-dir", str(tmp_path / "open"))
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {tmp_path}/open is not a directory of your own that nobody else may write\n"
    )
