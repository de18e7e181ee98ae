"""Streamlit's frontend files under all kinds of servers, and for all kinds of clients."""

from __future__ import annotations

import contextlib
import functools
import gzip
import importlib.util
import re
import shlex
import typing as t
from pathlib import Path

import pytest

from tests.live.served import Application
from tests.live.test_slow_clients import SlowReader
from tests.support import http
from tests.support.gateways import MOUNTS
from tests.support.processes import PYTHON, Server, free_port
from tests.support.waiting import eventually

#: Its limit is for a machine that is too busy for compression.
pytestmark = [pytest.mark.live_server, pytest.mark.streamlit, pytest.mark.timeout(400)]

GZIP = [("Accept-Encoding", "gzip")]

WAITRESS = """
import waitress
from fluxsync.wsgi import app

waitress.serve(app, listen="127.0.0.1:{port}", threads=2)
"""


def streamlit() -> Path:
    """Return the directory that Streamlit publishes, without importing it."""
    spec = importlib.util.find_spec("streamlit")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


@functools.cache
def files() -> dict[str, Path]:
    """Return all frontend files by the path in their URL."""
    top = streamlit()
    found = [path for path in (top / "static").rglob("*") if path.is_file()]
    return {f"/{path.relative_to(top).as_posix()}": path for path in found}


def largest() -> str:
    """Return the path of the largest script."""
    scripts = [url for url in files() if url.endswith(".js")]
    return max(scripts, key=lambda url: files()[url].stat().st_size)


class Site(Application):
    """An application in front of a Streamlit of its own."""

    def __init__(
        self,
        worker_class: str = "gthread",
        mount: str = "root",
        *args: str,
    ) -> None:
        super().__init__("fluxsync.wsgi", worker_class=worker_class, args=args)
        self.mount = MOUNTS[mount]
        self.env["FLUXSYNC_ROOT_PATH"] = self.mount.root

    def logged(self, request_id: str, count: int = 1) -> list[dict[str, str]]:
        """Return what the access log says of a request, or of all with the same id."""

        def lines() -> list[str]:
            found = [line for line in self.lines if f"request_id={request_id}" in line]
            return found if len(found) >= count else []

        found = eventually(lines, 20, lambda: f"{count} lines of {request_id}\n{self.output}")
        assert len(found) == count
        return [describe(line) for line in found]

    def wait_compressed(self) -> None:
        """Wait until there are compressed files. They are made when nothing else is to do."""
        eventually(
            lambda: "Content-Encoding" in self.request("HEAD", largest(), GZIP),
            300,
            lambda: f"compressed files\n{self.output}",
        )


class Waitress(Site):
    """The same under waitress."""

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.args = (*PYTHON, "-c", WAITRESS.format(port=self.port))

    def start(self) -> None:
        Server.start(self)
        self.wait_ready()


def describe(line: str) -> dict[str, str]:
    """Return the facts of a line of the access log."""
    match = re.search(r"fluxsync\.access: (\S+) (\S+) (\d+) (.*)", line)
    assert match is not None, line
    method, path, status, rest = match.groups()
    facts = dict(fact.split("=", 1) for fact in shlex.split(rest))
    return {"method": method, "path": path, "status": status, "replica": "", **facts}


MAKERS: dict[str, t.Callable[[], Site]] = {
    "gthread": lambda: Site("gthread", "root", "--workers", "2", "--threads", "1"),
    "sync": lambda: Site("sync", "full", "--workers", "1"),
    "gevent": lambda: Site("gevent", "stripped"),
    "waitress": Waitress,
}


class Sites:
    """Sites that many tests use; started when first needed."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._sites: dict[str, Site] = {}

    def get(self, name: str) -> Site:
        if name not in self._sites:
            site = MAKERS[name]()
            site.shared = True
            self._sites[name] = self._stack.enter_context(site)
        return self._sites[name]


@pytest.fixture(scope="module")
def sites() -> t.Iterator[Sites]:
    with contextlib.ExitStack() as stack:
        yield Sites(stack)


@pytest.mark.parametrize(
    ("name", "coding"),
    [
        ("gthread", "gzip"),
        ("sync", "gzip"),
        ("gevent", "gzip"),
        ("waitress", "gzip"),
        ("waitress", "identity"),
    ],
)
def test_every_file(name: str, coding: str, sites: Sites) -> None:
    """The client has what lies on the disk, and the log says what was sent."""
    site = sites.get(name)
    site.wait_compressed()
    request_id = f"every-file-{coding}"
    answers = get_all(site, [("Accept-Encoding", coding), ("X-Request-Id", request_id)])
    assert len(answers) > 100
    for path, answer in answers.items():
        is_encoded = "Content-Encoding" in answer
        assert answer.get("Content-Encoding", coding) == coding
        content = gzip.decompress(answer.body) if is_encoded else answer.body
        assert (answer.status, content) == (200, files()[path].read_bytes()), path
    encoded = [path for path, answer in answers.items() if "Content-Encoding" in answer]
    assert (len(encoded) > 100) == (coding == "gzip")

    lines = site.logged(request_id, len(answers))
    assert {(line["route"], line["replica"], line["status"]) for line in lines} == {
        ("asset", "", "200")
    }
    sent = {line["path"]: int(line["bytes"]) for line in lines}
    assert sent == {path: len(answer.body) for path, answer in answers.items()}


def get_all(site: Site, headers: http.Headers) -> dict[str, http.Response]:
    """Return the answers for all frontend files, on as few connections as the server wants."""
    answers = {}
    connection = site.connection()
    try:
        for path in files():
            answers[path] = answer = connection.request("GET", site.target(path), headers)
            if answer.get("Connection").lower() == "close":
                connection.close()
                connection = site.connection()
    finally:
        connection.close()
    return answers


@pytest.fixture(params=MAKERS)
def site(request: pytest.FixtureRequest, sites: Sites) -> Site:
    return sites.get(request.param)


def test_conditions_and_ranges(site: Site) -> None:
    """Each server ends these answers in its own way."""
    path = largest()
    content = files()[path].read_bytes()
    tag = site.get(path).get("ETag")
    cases: list[tuple[str, http.Headers, int, bytes]] = [
        ("HEAD", [], 200, b""),
        ("GET", [("If-None-Match", tag)], 304, b""),
        ("GET", [("Range", "bytes=5-9")], 206, content[5:10]),
        ("GET", [("Range", "bytes=5-3000004")], 206, content[5:3000005]),
        ("GET", [("Range", "bytes=5-")], 206, content[5:]),
        ("GET", [("Range", "bytes=99999999-")], 416, b""),
    ]
    for number, (method, headers, status, body) in enumerate(cases):
        request_id = f"condition-{number}"
        answer = site.request(method, path, [*headers, ("X-Request-Id", request_id)])
        assert (answer.status, answer.body, answer.complete) == (status, body, True)
        (line,) = site.logged(request_id)
        assert (line["status"], int(line["bytes"])) == (str(status), len(body))


def test_streamlit_that_hangs(site: Site) -> None:
    """It isn't asked: whoever has opened the page gets all of its scripts."""
    path = largest()
    process = site.streamlit()
    process.suspend()
    try:
        assert site.get(path).body == files()[path].read_bytes()
    finally:
        process.resume()


def test_slow_clients(site: Site) -> None:
    """They hold no thread, and each of them gets all of it, and one line in the log."""
    path = largest()
    content = files()[path].read_bytes()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(SlowReader(site.port)) for _ in range(6)]
        for client in clients:
            client.send_request("GET", site.target(path), [("X-Request-Id", "slow")])
        assert site.get("/healthz").status == 200
        for client in clients:
            response = client.read_head()
            assert b"".join(client.iter_body(response)) == content
            assert response.complete
    lines = site.logged("slow", len(clients))
    assert {(line["route"], line["status"]) for line in lines} == {("asset", "200")}
    assert {int(line["bytes"]) for line in lines} == {len(content)}


def test_client_that_goes_away(site: Site) -> None:
    """What it got, and no more, is in the log; nothing is left of it."""
    path = largest()
    size = files()[path].stat().st_size
    with SlowReader(site.port) as client:
        client.send_request("GET", site.target(path), [("X-Request-Id", "gone")])
        assert client.read_head().status == 200
    (line,) = site.logged("gone")
    assert 0 < int(line["bytes"]) <= size
    assert site.get(path).body == files()[path].read_bytes()
