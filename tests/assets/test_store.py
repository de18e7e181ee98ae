from __future__ import annotations

import gzip
import hashlib
import os
import resource
import time
import typing as t
from pathlib import Path

import pytest

from fluxsync.assets import store as _store
from fluxsync.assets.store import MAX_LENGTH, Store
from fluxsync.assets.writer import HEAD_SIZE, Entry

UPSTREAM, PATH = "http://127.0.0.1:8501", "/static/js/a.js"
SCRIPT = b"export const number = 1;\n" * 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store([tmp_path / "cache"])


def entry(**changes: t.Any) -> Entry:
    now = time.time()
    fields = [["Content-Type", "application/javascript"]]
    values = {"stored": now, "expires": now + 60, "modified": 0.0, "fields": fields, **changes}
    return Entry(**{"upstream": UPSTREAM, "path": PATH, "coding": "identity", **values})


def keep(store: Store, data: bytes = SCRIPT, **changes: t.Any) -> None:
    writer = store.writer(entry(**changes), len(data))
    assert writer is not None
    for start in range(0, len(data), 7000):
        writer.write(data[start : start + 7000])
    writer.finish()
    writer.discard()  # as a body's close() does


def content(store: Store, coding: str = "identity", **key: str) -> bytes | None:
    found = store.get(key.get("upstream", UPSTREAM), key.get("path", PATH), coding)
    return Path(found.path).read_bytes()[HEAD_SIZE:] if found is not None else None


def names(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "cache" / "upstream"))


def test_kept(store: Store, tmp_path: Path) -> None:
    """And compressed as well; another process has it too."""
    assert content(store) is None
    keep(store, age=7)
    for reader in (store, Store([tmp_path / "cache"])):
        assert content(reader) == SCRIPT
        compressed = content(reader, "gzip")
        assert compressed is not None
        assert gzip.decompress(compressed) == SCRIPT
        found, other = (reader.get(UPSTREAM, PATH, coding) for coding in ("identity", "gzip"))
        assert found is not None
        assert other is not None
        assert found.entry.etag == f'"{hashlib.sha256(SCRIPT).hexdigest()[:24]}"'
        assert other.entry.etag == f'"{hashlib.sha256(compressed).hexdigest()[:24]}"'
        assert (found.entry.length, other.entry.length) == (len(SCRIPT), len(compressed))
        assert (found.entry.age, other.entry.coding) == (7, "gzip")
        assert found.changed == os.stat(found.path).st_mtime_ns
    assert len(names(tmp_path)) == 2


def test_keys(store: Store) -> None:
    """What one upstream has sent isn't another's."""
    keep(store)
    assert content(store, upstream="http://127.0.0.1:8502") is None
    assert content(store, path="/static/js/b.js") is None
    assert content(store, "br") is None
    keep(store, SCRIPT[1:], upstream="http://127.0.0.1:8502")
    assert content(store, upstream="http://127.0.0.1:8502") == SCRIPT[1:]
    assert content(store) == SCRIPT


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        pytest.param({"coding": "br"}, SCRIPT, id="compressed already"),
        pytest.param({"fields": [["Content-Type", "font/woff2"]]}, SCRIPT, id="font"),
        pytest.param({}, os.urandom(5000), id="gets no smaller"),
    ],
)
def test_kept_as_it_is(
    changes: dict[str, t.Any], data: bytes, store: Store, tmp_path: Path
) -> None:
    keep(store, data, **changes)
    coding = changes.get("coding", "identity")
    assert content(store, coding) == data
    (name,) = names(tmp_path)
    assert name.endswith(f".{coding}")


@pytest.mark.parametrize("length", [len(SCRIPT) - 1, len(SCRIPT) + 1, 0])
def test_incomplete(length: int, store: Store, tmp_path: Path) -> None:
    writer = store.writer(entry(), length)
    assert writer is not None
    writer.write(SCRIPT)
    writer.finish()
    assert names(tmp_path) == []
    keep(store)
    assert content(store) == SCRIPT


def test_broken_off(store: Store, tmp_path: Path) -> None:
    writer = store.writer(entry(), len(SCRIPT))
    assert writer is not None
    writer.write(SCRIPT)
    writer.discard()
    writer.finish()
    assert names(tmp_path) == []
    keep(store)


def test_one_at_a_time(store: Store) -> None:
    writer = store.writer(entry(), len(SCRIPT))
    assert writer is not None
    assert store.writer(entry(), len(SCRIPT)) is None
    other = store.writer(entry(path="/static/js/b.js"), len(SCRIPT))
    assert other is not None
    other.discard()
    writer.discard()
    keep(store)


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        pytest.param("expires", -1, id="too old"),
        pytest.param("stored", 60, id="from the future"),
    ],
)
def test_time(field: str, seconds: float, store: Store) -> None:
    changes: dict[str, t.Any] = {field: time.time() + seconds}
    keep(store, **changes)
    assert content(store) is None


def replace_head(path: Path, head: bytes) -> None:
    path.write_bytes(head.ljust(HEAD_SIZE) + path.read_bytes()[HEAD_SIZE:])


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: os.truncate(path, 3000), id="cut"),
        pytest.param(lambda path: os.truncate(path, 0), id="empty"),
        pytest.param(lambda path: replace_head(path, b"{}"), id="nothing said"),
        pytest.param(lambda path: replace_head(path, b"[1]"), id="a list"),
        pytest.param(lambda path: replace_head(path, b"\xff"), id="rubbish"),
        pytest.param(lambda path: replace_head(path, b'{"length": "x"}'), id="no length"),
        pytest.param(lambda path: path.unlink() or path.mkdir(), id="directory"),
    ],
)
def test_damage(damage: t.Callable[[Path], None], store: Store) -> None:
    keep(store)
    found = store.get(UPSTREAM, PATH, "identity")
    assert found is not None
    damage(Path(found.path))
    assert content(store) is None


def test_answer_of_another_path(store: Store) -> None:
    """Somebody has copied a file; it says itself whose it is."""
    keep(store)
    keep(store, SCRIPT[1:], path="/static/js/b.js")
    found, other = (store.get(UPSTREAM, f"/static/js/{n}.js", "identity") for n in "ab")
    assert found is not None
    assert other is not None
    os.replace(other.path, found.path)
    assert content(store) is None


@pytest.mark.parametrize("room", [1000, HEAD_SIZE + 5000])
def test_full_disk(room: int, store: Store, tmp_path: Path) -> None:
    """The answer goes on, and nothing is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        keep(store, os.urandom(500_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == []
    keep(store)
    assert content(store) == SCRIPT


def test_head_too_long(store: Store, tmp_path: Path) -> None:
    keep(store, fields=[["Content-Type", "text/css" + " " * HEAD_SIZE]])
    assert names(tmp_path) == []


def test_oldest_go(tmp_path: Path) -> None:
    """When there's too much of it, what was kept first goes until a quarter is free."""
    store = Store([tmp_path / "cache"], max_total=10 * (HEAD_SIZE + 5000))
    data = os.urandom(5000)
    for number in range(10):
        keep(store, data, path=f"/static/{number}.js")
        found = store.get(UPSTREAM, f"/static/{number}.js", "identity")
        assert found is not None
        os.utime(found.path, (number, number))
    abandoned, busy = (tmp_path / "cache" / "upstream" / f".new-{n}" for n in (1, 2))
    abandoned.touch()
    os.utime(abandoned, (0, 0))
    busy.touch()
    keep(store, data, path="/static/10.js")
    left = [n for n in range(11) if content(store, path=f"/static/{n}.js") is not None]
    assert left == [4, 5, 6, 7, 8, 9, 10]
    assert (abandoned.exists(), busy.exists()) == (False, True)


def test_other_processes_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a while it looks at what is really there."""
    monkeypatch.setattr(_store, "_RECOUNT", 2)
    stores = [Store([tmp_path / "cache"], max_total=20 * (HEAD_SIZE + 5000)) for _ in range(10)]
    for number in range(40):
        keep(stores[number % 10], os.urandom(5000), path=f"/static/{number}.js")
    assert len(names(tmp_path)) < 30


def test_no_directory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It's said once, and everything is proxied."""
    (tmp_path / "file").write_text("")
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    store = Store([tmp_path / "file", tmp_path / "open"])
    for _ in range(2):
        assert store.writer(entry(), 5) is None
        assert content(store) is None
    (record,) = caplog.records
    assert "frontend files of the upstream are not kept: " in record.getMessage()
    assert os.listdir(tmp_path / "open") == []


def test_limits_fit() -> None:
    assert MAX_LENGTH * 4 < _store.MAX_TOTAL
