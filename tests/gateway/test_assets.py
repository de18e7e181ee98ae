"""Which frontend files are served here, and how."""

from __future__ import annotations

import gzip
import os
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.assets import build, encoders, frontend, sets
from fluxsync.assets.catalog import Variant, validators
from fluxsync.assets.frontend import Package
from fluxsync.config.platform import Platform
from fluxsync.gateway.assets import Assets, InstalledAssets
from fluxsync.gateway.request import Request, RequestReader
from fluxsync.gateway.variants import respond
from fluxsync.process.installation import identify
from fluxsync.sansio.balancing import Row, Table
from fluxsync.sansio.supervision import State

SCRIPT = "/static/js/index.abc.js"
FONT = "/static/media/font.abc.woff2"
TEXT = b"export const number = 1;\n" * 200

Headers = list[tuple[str, str]]


@dataclass
class Response:
    """What a WSGI server gets."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def start(self, status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        self.status, self.headers = int(status[:3]), dict(headers)
        assert len(self.headers) == len(headers)


def ask(path: str, method: str = "GET", **headers: str) -> Request:
    environ = {"REQUEST_METHOD": method, "REMOTE_ADDR": "192.0.2.1", "RAW_URI": path}
    environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
    return RequestReader(FluxSyncSettings(), Platform()).read(environ)


class Site:
    """An installation of Streamlit with its files, and replicas that say what they serve."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.package = Package(str(directory / "streamlit"), "9.9")
        self.cache = directory / "cache"
        self.write(SCRIPT, TEXT)
        self.write(FONT, bytes(range(256)) * 8)
        self.write("/static/js/unknown.abc.xyz", b"?")
        self.write("/index.html", b"<html>")
        monkeypatch.setattr(frontend, "find_package", lambda: self.package)
        # Compressed files are looked for with each request, and not each second.
        monkeypatch.setattr(sets, "_PATIENCE", 0.0)
        self.table = Table()
        self.assets = InstalledAssets([self.cache], lambda: self.table)

    def path(self, url: str) -> Path:
        return Path(self.package.directory, "static" + url)

    def write(self, url: str, content: bytes) -> None:
        path = self.path(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @property
    def identity(self) -> str:
        return identify(self.package.directory, self.package.version)

    def replicas(self, *identities: str) -> None:
        """Have replicas that serve these."""
        rows = [
            Row(f"r{number}", State.RUNNING, "127.0.0.1", number, True, "", identity)
            for number, identity in enumerate(identities, start=1)
        ]
        self.table = Table(self.table.version + 1, tuple(rows))

    def compress(self) -> Path:
        """Make gzip's files; return their directory."""
        files = frontend.scan(self.package)
        (built,) = build.build(files, [self.cache], encoders.encoders(best=False)[:1])
        return built.directory

    def get(self, path: str = SCRIPT, method: str = "GET", **headers: str) -> Response | None:
        """Return the answer; ``None`` if it's Streamlit's."""
        request = ask(path, method, **headers)
        response = Response()
        body = self.assets(request, response.start)
        assert request.exchange.route == ("streamlit" if body is None else "asset")
        if body is None:
            assert response.status == 0
            return None
        response.body = b"".join(body)
        return response

    def got(self, path: str = SCRIPT, method: str = "GET", **headers: str) -> Response:
        """Return the answer, which isn't Streamlit's."""
        response = self.get(path, method, **headers)
        assert response is not None
        return response


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path, monkeypatch)
    site.replicas(site.identity)
    return site


def test_files(site: Site) -> None:
    response = site.got()
    assert (response.status, response.body) == (200, TEXT)
    assert response.headers["Content-Type"] == "application/javascript"
    assert response.headers["Content-Length"] == str(len(TEXT))
    assert response.headers["Cache-Control"] == "public, immutable, max-age=31536000"
    assert site.got(FONT).body == bytes(range(256)) * 8


@pytest.mark.parametrize(
    "path",
    [
        "/static/js/none.js",
        "/static/js/unknown.abc.xyz",
        "/static/../index.html",
        "/static/%2e%2e/index.html",
        "/static/js/",
        "/static/js",
        SCRIPT + "/",
        SCRIPT + "%00",
        SCRIPT.upper(),
        "/static//js/index.abc.js",
        "/static/js%5Cindex.abc.js",
    ],
)
def test_left_to_streamlit(site: Site, path: str) -> None:
    assert site.get(path) is None


@pytest.mark.parametrize(
    "identities",
    [
        pytest.param([], id="no replica"),
        pytest.param([""], id="silent"),
        pytest.param(["{}", ""], id="one is silent"),
        pytest.param(["{}", "9.8 1 /other"], id="they differ"),
        pytest.param(["9.8 1 /other"], id="not this one"),
    ],
)
def test_other_installations(site: Site, identities: list[str]) -> None:
    """What replicas serve isn't known to be what is here; maybe a moment later."""
    site.replicas(*(identity.format(site.identity) for identity in identities))
    assert site.get() is None
    site.replicas(site.identity, site.identity)
    assert site.got().body == TEXT
    site.replicas(*(identity.format(site.identity) for identity in identities))
    assert site.get() is None


def test_no_streamlit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway may have an environment of its own."""
    monkeypatch.setattr(frontend, "find_package", lambda: None)
    assert site.get() is None


def test_upgrade(site: Site, tmp_path: Path) -> None:
    """Files of another version are nobody's until a replica serves them."""
    assert site.got().body == TEXT
    site.package = Package(str(tmp_path / "other"), "10.0")
    site.write(SCRIPT, b"new")
    assert site.got().body == TEXT
    site.replicas(site.identity)
    assert site.got().body == b"new"


def test_replaced_while_it_is_listed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list may have files of both."""
    scan = frontend.scan

    def scan_slowly(package: Package) -> frontend.Frontend:
        found = scan(package)
        os.utime(site.path("/static/js"), ns=(5, 5))
        return found

    monkeypatch.setattr(frontend, "scan", scan_slowly)
    assert site.get() is None
    site.replicas(site.identity)
    assert site.got().body == TEXT


def test_nothing_is_listed_for_each_request(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.compress()
    first = site.got()
    monkeypatch.setattr(sets.Shelf, "sets", None)
    monkeypatch.setattr(frontend, "find_package", None)
    assert site.got() == first


def test_file_changed_in_place(site: Site) -> None:
    """Streamlit is being replaced; it knows best what it serves."""
    assert site.got().body == TEXT
    site.write(SCRIPT, TEXT[:-1])
    assert site.get() is None
    site.path(SCRIPT).unlink()
    assert site.get() is None
    assert site.got(FONT).status == 200


def test_compressed_files_come_and_go(site: Site) -> None:
    plain = site.got(accept_encoding="gzip")
    assert "Content-Encoding" not in plain.headers
    directory = site.compress()
    compressed = site.got(accept_encoding="gzip")
    assert gzip.decompress(compressed.body) == TEXT
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.headers["Content-Length"] == str(len(compressed.body))
    assert compressed.headers["ETag"] != plain.headers["ETag"]
    assert compressed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    assert compressed.headers["Content-Type"] == plain.headers["Content-Type"]
    for accept in ("", "br", "gzip;q=0", "identity, gzip;q=0.5"):
        assert site.got(accept_encoding=accept) == plain
    assert site.got().headers == plain.headers
    (directory / "0.gzip").unlink()
    assert site.got(accept_encoding="gzip") == plain


def test_compressed_files_of_others(site: Site) -> None:
    """Anybody may write there, so anybody may have written there."""
    site.compress()
    site.cache.chmod(0o777)
    assert "Content-Encoding" not in site.got(accept_encoding="gzip").headers


@pytest.mark.parametrize("accept", ["", "gzip"])
def test_head(site: Site, accept: str) -> None:
    site.compress()
    response = site.got(accept_encoding=accept)
    head = site.got(method="HEAD", accept_encoding=accept)
    assert (head.status, head.headers, head.body) == (200, response.headers, b"")


def test_not_modified(site: Site) -> None:
    site.compress()
    tags = [site.got(accept_encoding=accept).headers["ETag"] for accept in ("", "gzip")]
    for tag, accept, status in (
        (tags[0], "", 304),
        (tags[1], "gzip", 304),
        (f"W/{tags[1]}", "gzip", 304),
        ("*", "gzip", 304),
        (tags[1], "", 200),
        (tags[0], "gzip", 200),
    ):
        for method in ("GET", "HEAD"):
            response = site.got(method=method, accept_encoding=accept, if_none_match=tag)
            assert response.status == status, (tag, accept)
    fields = site.got(if_none_match=tags[0]).headers
    assert fields.keys() == {"Cache-Control", "ETag", "Last-Modified", "Vary"}


@pytest.mark.parametrize("accept", ["", "gzip"])
def test_ranges(site: Site, accept: str) -> None:
    """They count in what is sent, compressed or not."""
    site.compress()
    whole = site.got(accept_encoding=accept).body
    part = site.got(accept_encoding=accept, range="bytes=10-19")
    assert (part.status, part.body) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"
    assert part.headers["Content-Length"] == "10"
    assert part.headers.get("Content-Encoding", "") == accept
    assert site.got(accept_encoding=accept, range="bytes=-5").body == whole[-5:]
    beyond = site.got(accept_encoding=accept, range=f"bytes={len(whole)}-")
    assert (beyond.status, beyond.body) == (416, b"")
    assert beyond.headers == {"Content-Range": f"bytes */{len(whole)}", "Content-Length": "0"}


def test_failed_precondition(site: Site) -> None:
    response = site.got(if_match='"other"')
    assert (response.status, response.headers) == (412, {"Content-Length": "0"})


# A single file


def variant(path: Path, size: int, changed: int = 0) -> Variant:
    return Variant(str(path), size, changed, validators('"x"', 0), [("ETag", '"x"')], [])


@pytest.mark.parametrize(
    ("size", "changed", "offset", "body"),
    [
        pytest.param(10, 0, 0, b"0123456789", id="any time"),
        pytest.param(10, 5, 0, b"0123456789", id="same time"),
        pytest.param(7, 0, 3, b"3456789", id="offset"),
        pytest.param(10, 6, 0, None, id="another time"),
        pytest.param(9, 0, 0, None, id="longer"),
        pytest.param(11, 0, 0, None, id="shorter"),
        pytest.param(10, 0, 3, None, id="another offset"),
    ],
)
def test_variant(tmp_path: Path, size: int, changed: int, offset: int, body: bytes | None) -> None:
    """Only if the file is the one that is known."""

    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    os.utime(path, ns=(5, 5))
    response = Response()
    answer = respond(ask("/"), response.start, variant(path, size, changed), offset)

    assert (None if answer is None else b"".join(answer)) == body
    assert response.status == (200 if body else 0)


def test_part_behind_an_offset(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    response = Response()
    answer = respond(ask("/", range="bytes=1-2"), response.start, variant(path, 7), 3)

    assert answer is not None
    assert b"".join(answer) == b"45"
    assert response.headers["Content-Range"] == "bytes 1-2/7"


def test_variant_that_is_gone(tmp_path: Path) -> None:
    response = Response()

    assert respond(ask("/"), response.start, variant(tmp_path / "none", 10)) is None
    assert response.status == 0


# All of them together


@pytest.mark.parametrize(
    ("method", "path", "is_ours"),
    [
        ("GET", SCRIPT, True),
        ("HEAD", SCRIPT, True),
        ("POST", SCRIPT, False),
        ("OPTIONS", SCRIPT, False),
        ("GET", "/static", False),
        ("GET", "/index.html", False),
        ("GET", "/", False),
        ("GET", "/media/static/js/index.abc.js", False),
    ],
)
def test_assets(site: Site, method: str, path: str, is_ours: bool) -> None:
    def proxy(request: Request, start_response: t.Any) -> t.NoReturn:
        raise AssertionError("is asked by whoever gets None")

    assets = Assets(FluxSyncSettings(cache_dir=str(site.cache)), lambda: site.table, proxy)
    request = ask(path, method)

    assert (assets(request, Response().start) is not None) == is_ours
