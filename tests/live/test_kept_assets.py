"""Frontend files of Streamlit servers that somebody else runs, kept after the first answer."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import itertools
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.conftest import StartServer
from tests.live.served import Application
from tests.live.test_slow_clients import SlowReader
from tests.support import http
from tests.support.upstream import FakeStreamlit, pattern
from tests.support.waiting import eventually

pytestmark = pytest.mark.live_server

MB = 1024 * 1024
TEXT = b"export const number = 1;\n" * 4000
TYPE = "application/javascript"
IMMUTABLE = "public, immutable, max-age=31536000"

WORKERS = {
    "sync": ("--workers", "2"),
    "gthread": ("--workers", "2", "--threads", "1"),
    "gevent": ("--workers", "2"),
}

#: Of requests, and of files.
numbers = itertools.count(1)


def fields(content: bytes, **changes: str | None) -> http.Headers:
    """Return the header fields of a file, as Streamlit sends them but for the changes."""
    usual = {
        "Content-Type": TYPE,
        "Cache-Control": IMMUTABLE,
        "Content-Length": str(len(content)),
        "ETag": '"of-the-upstream"',
    }
    merged = {**usual, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return [(name, value) for name, value in merged.items() if value is not None]


@dataclass
class Answer:
    """A response, and what the access log says of it."""

    response: http.Response
    line: str

    @property
    def was_kept(self) -> bool:
        return "route=asset " in self.line


class Front(Application):
    """A gateway before servers of somebody else."""

    def __init__(
        self,
        worker_class: str,
        *upstreams: FakeStreamlit,
        args: t.Iterable[str] = (),
        cache: str = "",
    ) -> None:
        urls = ",".join(upstream.url for upstream in upstreams)
        super().__init__(
            "fluxsync.wsgi",
            worker_class=worker_class,
            args=(*WORKERS[worker_class], *args),
            env={"FLUXSYNC_STREAMLIT_UPSTREAM": urls},
        )
        self.env["FLUXSYNC_CACHE_DIR"] = cache or str(self.directory / "cache")
        self.upstreams = upstreams

    def ask(
        self,
        path: str,
        headers: http.Headers | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """Ask, and wait until the answer is over: it's kept then, or never will be."""
        request_id = f"kept-{next(numbers)}"
        sent = [*(headers or []), ("X-Request-Id", request_id)]
        response = self.request(method, path, sent, body)
        line = self.wait_for_line(rf"^.*fluxsync\.access: .* request_id={request_id}\b.*$")[0]
        return Answer(response, line)

    def asked(self, path: str) -> int:
        """Return how often the upstreams have been asked for a path."""
        return sum(r.path == path for upstream in self.upstreams for r in upstream.requests)


@pytest.fixture(scope="module")
def source() -> t.Iterator[FakeStreamlit]:
    """The server behind :func:`front`."""
    with FakeStreamlit() as server:
        yield server


@pytest.fixture(scope="module", params=WORKERS)
def front(request: pytest.FixtureRequest, source: FakeStreamlit) -> t.Iterator[Front]:
    with Front(request.param, source) as server:
        yield server


@pytest.fixture
def path(front: Front, source: FakeStreamlit) -> str:
    """A path that nobody has asked for yet."""
    source.reset()
    return f"/static/js/file.{next(numbers)}.js"


def test_asked_once(front: Front, source: FakeStreamlit, path: str) -> None:
    source.files[path] = fields(TEXT, X_Content_Type_Options="nosniff", X_Other="1"), TEXT
    first = front.ask(path)
    assert first.response.body == TEXT
    assert first.response.get("ETag") == '"of-the-upstream"'
    assert not first.was_kept

    second = front.ask(path)
    assert second.was_kept
    assert f"bytes={len(TEXT)} " in second.line
    response = second.response
    assert response.body == TEXT
    assert response.get("Content-Type") == TYPE
    assert response.get("Content-Length") == str(len(TEXT))
    assert response.get("Cache-Control") == IMMUTABLE
    assert response.get("X-Content-Type-Options") == "nosniff"
    assert response.get("Vary") == "Accept-Encoding"
    assert int(response.get("Age")) >= 0
    assert "X-Other" not in response
    assert front.asked(path) == 1


def test_by_all_workers(front: Front, source: FakeStreamlit, path: str) -> None:
    """What one has kept, the other one serves, with the same validator."""
    workers = eventually(
        lambda: pids if len(pids := front.workers()) == 2 else None, 20, "both workers"
    )
    source.files[path] = fields(TEXT), TEXT
    front.ask(path)
    answers = []
    for pid in workers:
        psutil.Process(pid).suspend()
        try:
            answers.append(front.ask(path))
        finally:
            psutil.Process(pid).resume()

    assert [answer.was_kept for answer in answers] == [True, True]
    assert {answer.response.body for answer in answers} == {TEXT}
    assert len({answer.response.get("ETag") for answer in answers}) == 1
    assert front.asked(path) == 1


def test_compressed_copy(front: Front, source: FakeStreamlit, path: str) -> None:
    """Servers that compress nothing are the usual ones."""
    source.files[path] = fields(TEXT), TEXT
    front.ask(path)
    compressed = front.ask(path, [("Accept-Encoding", "br, gzip")]).response
    plain = front.ask(path).response
    assert compressed.get("Content-Encoding") == "gzip"
    assert gzip.decompress(compressed.body) == TEXT
    assert len(compressed.body) < len(TEXT) / 10
    assert compressed.get("Vary") == "Accept-Encoding"
    assert compressed.get("ETag") != plain.get("ETag")
    assert front.asked(path) == 1


def test_compressed_by_the_upstream(front: Front, source: FakeStreamlit, path: str) -> None:
    """It's for those who take it; nothing is unpacked for others."""
    content = gzip.compress(TEXT)
    source.files[path] = fields(content, Content_Encoding="gzip", Vary="Accept-Encoding"), content
    for _ in range(2):
        answer = front.ask(path, [("Accept-Encoding", "gzip")])
        assert answer.response.body == content
        assert answer.response.get("Content-Encoding") == "gzip"
    assert answer.was_kept
    source.files[path] = fields(TEXT, Vary="Accept-Encoding"), TEXT
    for _ in range(2):
        answer = front.ask(path)
        assert answer.response.body == TEXT
    assert answer.was_kept
    compressed = front.ask(path, [("Accept-Encoding", "gzip")])
    assert gzip.decompress(compressed.response.body) == TEXT
    assert front.asked(path) == 2


def test_kept_like_any_file(front: Front, source: FakeStreamlit, path: str) -> None:
    """HEAD, conditions and ranges are answered too."""
    source.files[path] = fields(TEXT), TEXT
    front.ask(path)
    tag = front.ask(path).response.get("ETag")
    head = front.ask(path, method="HEAD").response
    assert (head.status, head.get("Content-Length")) == (200, str(len(TEXT)))
    fresh = front.ask(path, [("If-None-Match", tag)]).response
    assert (fresh.status, fresh.body, fresh.get("ETag")) == (304, b"", tag)
    assert "Age" in fresh
    assert front.asked(path) == 1


#: What an upstream may say of an answer that is nobody else's.
PRIVATE = {
    "nothing": {"Cache-Control": None},
    "no-store": {"Cache-Control": f"no-store, {IMMUTABLE}"},
    "no-cache": {"Cache-Control": f"{IMMUTABLE}, no-cache"},
    "private": {"Cache-Control": "private, immutable, max-age=31536000"},
    "changes": {"Cache-Control": "public, max-age=31536000"},
    "not public": {"Cache-Control": "immutable, max-age=31536000"},
    "no time": {"Cache-Control": "public, immutable, max-age=0"},
    "cookie": {"Set-Cookie": "session=1"},
    "by cookie": {"Vary": "Accept-Encoding, Cookie"},
    "by all": {"Vary": "*"},
    "document": {"Content-Type": "text/html"},
    "coding": {"Content-Encoding": "compress"},
}


@pytest.mark.parametrize("changes", PRIVATE.values(), ids=PRIVATE)
def test_not_for_all(
    changes: dict[str, str | None], front: Front, source: FakeStreamlit, path: str
) -> None:
    source.files[path] = fields(TEXT, **changes), TEXT
    answers = [front.ask(path) for _ in range(2)]
    assert [answer.was_kept for answer in answers] == [False, False]
    assert [answer.response.body for answer in answers] == [TEXT, TEXT]
    assert front.asked(path) == 2


@pytest.mark.parametrize("status", [203, 404, 500])
def test_other_statuses(status: int, front: Front, source: FakeStreamlit, path: str) -> None:
    source.files[path] = fields(TEXT), TEXT
    source.statuses[path] = status
    assert [front.ask(path).response.status for _ in range(2)] == [status, status]
    assert front.asked(path) == 2


def test_broken_off(front: Front, source: FakeStreamlit, path: str) -> None:
    """Half a file is no file, neither now nor later."""
    source.files[path] = fields(TEXT + b"more"), TEXT
    for _ in range(2):
        answer = front.ask(path)
        assert not answer.response.complete
        assert not answer.was_kept
    source.files[path] = fields(TEXT), TEXT
    assert front.ask(path).response.body == TEXT
    assert front.asked(path) == 3


@pytest.mark.parametrize("coding", ["chunked", None])
def test_unknown_length(coding: str | None, front: Front, source: FakeStreamlit, path: str) -> None:
    """Nothing would tell whether that was all of it."""
    raw = b"%x\r\n%s\r\n0\r\n\r\n" % (len(TEXT), TEXT) if coding else TEXT
    source.files[path] = fields(TEXT, Content_Length=None, Transfer_Encoding=coding), raw
    assert [front.ask(path).response.body for _ in range(2)] == [TEXT, TEXT]
    assert front.asked(path) == 2


def test_too_large(front: Front, source: FakeStreamlit, path: str) -> None:
    content = bytes(32 * MB + 1)
    source.files[path] = fields(content), content
    assert [front.ask(path).response.body == content for _ in range(2)] == [True, True]
    assert front.asked(path) == 2


def test_client_that_went_away(front: Front, source: FakeStreamlit, path: str) -> None:
    """Its half of a file isn't kept as the whole."""
    content = b"".join(pattern(8 * MB))
    source.files[path] = fields(content), content
    with SlowReader(front.port) as client:
        client.send_request("GET", path)
        assert client.read_head().status == 200
    source.files[path] = fields(TEXT), TEXT
    eventually(lambda: f"GET {path} 200" in front.output, 20, "the end of it")
    assert front.ask(path).response.body == TEXT
    assert front.asked(path) == 2


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([("Authorization", "Basic YTpi")], None, id="Authorization"),
        pytest.param([("Range", "bytes=0-9")], None, id="Range"),
        pytest.param([], b"a body", id="a body"),
    ],
)
def test_not_like_everybody(
    headers: http.Headers, body: bytes | None, front: Front, source: FakeStreamlit, path: str
) -> None:
    """They ask for what may be theirs alone; they get nobody else's, and nobody gets theirs."""
    source.files[path] = fields(TEXT), TEXT
    assert [front.ask(path, headers, body=body).was_kept for _ in range(2)] == [False, False]
    assert not front.ask(path).was_kept
    assert front.ask(path).was_kept
    assert not front.ask(path, headers, body=body).was_kept
    assert front.asked(path) == 4


def test_head_and_post(front: Front, source: FakeStreamlit, path: str) -> None:
    """They leave nothing behind, and a POST is never answered from what is kept."""
    source.files[path] = fields(TEXT), TEXT
    assert not front.ask(path, method="HEAD").was_kept
    assert not front.ask(path, method="POST", body=b"x").was_kept
    assert not front.ask(path).was_kept
    assert front.ask(path).was_kept
    assert not front.ask(path, method="POST", body=b"x").was_kept


def test_with_a_cookie(front: Front, source: FakeStreamlit, path: str) -> None:
    """All browsers send them, and the upstream calls this file public."""
    source.files[path] = fields(TEXT), TEXT
    answers = [front.ask(path, [("Cookie", f"session={number}")]) for number in range(2)]
    assert [answer.was_kept for answer in answers] == [False, True]


@pytest.mark.parametrize("form", ["{}?v=1", "/static/js/../js{}", "/static//{}", "{}%20", "/x{}"])
def test_other_forms_of_a_path(form: str, front: Front, source: FakeStreamlit, path: str) -> None:
    """Only what means the same to everybody has an entry."""
    name = path.removeprefix("/static/js")
    target = form.format(path if form[0] == "{" or form[1] == "x" else name)
    source.files[target.partition("?")[0]] = fields(TEXT), TEXT
    for _ in range(2):
        answer = front.ask(target)
        assert answer.response.body == TEXT
        assert not answer.was_kept


def test_forced_reload(front: Front, source: FakeStreamlit, path: str) -> None:
    """Somebody whose file is broken gets it from the upstream, and so do all others then."""
    source.files[path] = fields(b"old"), b"old"
    for _ in range(2):
        assert front.ask(path).response.body == b"old"
    source.files[path] = fields(TEXT), TEXT
    assert front.ask(path).response.body == b"old"
    assert front.ask(path, [("Cache-Control", "no-cache")]).response.body == TEXT
    again = front.ask(path)
    assert (again.response.body, again.was_kept) == (TEXT, True)


def test_slow_clients(front: Front, source: FakeStreamlit, path: str) -> None:
    """They hold no thread while their file is being kept, or when it is."""
    content = b"".join(pattern(8 * MB))
    expected = hashlib.sha256(content).digest()
    source.files[path] = fields(content), content
    for is_kept in (False, True):
        if is_kept:
            front.ask(path)
            assert front.ask(path).was_kept
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(SlowReader(front.port)) for _ in range(6)]
            for client in clients:
                client.send_request("GET", path)
            assert front.get("/healthz").status == 200
            for client in clients:
                digest = hashlib.sha256()
                response = client.read_head()
                for piece in client.iter_body(response):
                    digest.update(piece)
                assert digest.digest() == expected
                # The first one may be over, and kept, before the last one is looked at.
                assert "Age" in response or not is_kept


def test_upstreams_share_nothing(serve: StartServer, source: FakeStreamlit) -> None:
    """They may be different versions, with different files of the same name."""
    source.reset()
    with FakeStreamlit() as other:
        # One worker, which answers when it's asked what it knows of them.
        server = Front("gthread", source, other, args=("--workers", "1"))
        serve(server)
        replicas = {"r1": "RUNNING", "r2": "RUNNING"}
        eventually(lambda: server.get("/readyz").json()["replicas"] == replicas)
        for upstream, content in ((source, b"one"), (other, b"another")):
            upstream.files["/static/js/a.js"] = fields(content), content

        def ask(replica: str) -> Answer:
            return server.ask("/static/js/a.js", [("Cookie", f"fluxsync_replica={replica}")])

        for is_kept in (False, True, True):
            for replica, content in (("r1", b"one"), ("r2", b"another")):
                answer = ask(replica)
                assert (answer.response.body, answer.was_kept) == (content, is_kept)


def test_outlives_the_server(serve: StartServer, source: FakeStreamlit, tmp_path: Path) -> None:
    """And the upstream's address is all that counts."""
    source.reset()
    source.files["/static/js/a.js"] = fields(TEXT), TEXT
    for is_kept in (False, True):
        server = Front("gthread", source, cache=str(tmp_path / "cache"))
        serve(server)
        assert server.ask("/static/js/a.js").was_kept == is_kept


def test_directory_that_cannot_be_written(serve: StartServer, source: FakeStreamlit) -> None:
    """All is proxied, which is said once by each worker."""
    source.reset()
    source.files["/static/js/a.js"] = fields(TEXT), TEXT
    server = Front("gthread", source, cache="/dev/null/cache", args=("--workers", "1"))
    # The other place where they might be.
    server.write(f"fluxsync-cache-{os.getuid()}", "")
    serve(server)
    for _ in range(3):
        answer = server.ask("/static/js/a.js")
        assert (answer.response.body, answer.was_kept) == (TEXT, False)
    assert server.output.count("frontend files of the upstream are not kept") == 1
