"""What all stores do alike, with real databases."""

from __future__ import annotations

import datetime
import decimal
import os
import signal
import subprocess
import sys
import threading
import typing as t

import pytest

from fluxsync.exceptions import SessionError
from fluxsync.sessions.store import SessionStore
from fluxsync.sessions.url import new_session_id
from tests.support.processes import environment

from .places import Place

ID = "someone"


def python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, env=environment()
    )


def test_is_a_store(place: Place) -> None:
    assert isinstance(place.store(), SessionStore)


def test_unknown_session(place: Place) -> None:
    store = place.store()
    assert store.get(ID) is None
    store.delete(ID)
    assert store.get(ID) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"a": [1, 2.5, True, None, "x", {"b": {}}]}, id="json"),
        pytest.param({"é\0😀": "\ud800 line\nline"}, id="odd texts"),
        pytest.param(
            {
                "date": datetime.date(2026, 2, 3),
                "time": datetime.time(1, 2, 3, 4),
                "when": datetime.datetime(2026, 2, 3, 4, tzinfo=datetime.timezone.utc),
                "price": decimal.Decimal("1.10"),
            },
            id="dates and decimals",
        ),
    ],
)
def test_data_comes_back(place: Place, data: dict[str, t.Any]) -> None:
    store = place.store()
    store.set(ID, data)

    found = store.get(ID)
    assert found == data
    assert [type(value) for value in found.values()] == [type(value) for value in data.values()]


def test_data_is_a_copy(place: Place) -> None:
    store = place.store()
    data = {"cart": ["tea"]}
    store.set(ID, data)
    data["cart"].append("changed by the writer")
    first = store.get(ID)
    assert first is not None
    first["cart"].append("changed by a reader")

    assert store.get(ID) == {"cart": ["tea"]}


def test_set_replaces(place: Place) -> None:
    store = place.store()
    store.set(ID, {"a": 1})
    store.set("another", {"c": 3})
    store.set(ID, {"b": 2})

    assert store.get(ID) == {"b": 2}
    store.delete(ID)
    assert store.get(ID) is None
    assert store.get("another") == {"c": 3}


def test_sessions_expire(place: Place) -> None:
    store = place.store(default_ttl_seconds=60)
    store.set("default", {})
    store.set("short", {}, ttl_seconds=30)
    store.set("long", {}, ttl_seconds=300)
    store.set("again", {}, ttl_seconds=30)
    store.set("again", {}, ttl_seconds=300)

    def kept() -> set[str]:
        return {k for k in ("default", "short", "long", "again") if store.get(k) is not None}

    place.advance(20)
    assert kept() == {"default", "short", "long", "again"}
    place.advance(20)
    assert kept() == {"default", "long", "again"}
    place.advance(30)
    assert kept() == {"long", "again"}
    place.advance(300)
    assert kept() == set()


def test_what_expired_is_removed(place: Place) -> None:
    store = place.store()
    for n in range(5):
        store.set(f"old {n}", {"text": "forgotten"}, ttl_seconds=1)
    place.advance(2)
    for n in range(20):
        store.set(f"new {n}", {"text": "kept"})

    assert "kept" in place.dump()
    assert "forgotten" not in place.dump()


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), float("nan"), "60"])
def test_ttl_that_is_none(place: Place, ttl: t.Any) -> None:
    store = place.store()
    with pytest.raises(SessionError, match=r"ttl_seconds=.* expected a number over 0"):
        store.set(ID, {}, ttl_seconds=ttl)
    assert store.get(ID) is None


def test_very_long_ttl(place: Place) -> None:
    store = place.store()
    store.set(ID, {}, ttl_seconds=1e300)

    assert store.get(ID) == {}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            {"a": {"b": [object()]}}, r"\['a'\]\['b'\]\[0\] is of type .*object", id="type"
        ),
        pytest.param({"a": {1: 2}}, r"\['a'\] has the key 1", id="key"),
        pytest.param(
            {"a": "x" * 1000}, "bytes: expected 500 at most; 'a' is the largest", id="size"
        ),
    ],
)
def test_data_that_cannot_be_kept(place: Place, data: dict[str, t.Any], expected: str) -> None:
    """It's refused, and what was there is still there."""
    store = place.store(max_bytes=500)
    store.set(ID, {"a": 1})
    with pytest.raises(SessionError, match=expected):
        store.set(ID, data)

    assert store.get(ID) == {"a": 1}


def test_ids_are_not_kept(place: Place) -> None:
    """Who reads the store has no URL; who has one needs no signature for the store."""
    store = place.store()
    session_id = new_session_id(store)
    random = session_id.partition(".")[0]
    store.set(session_id, {"a": "data of somebody"})

    assert store.get(random) == {"a": "data of somebody"}
    assert "data of somebody" in place.dump()
    assert random not in place.dump()


def test_many_threads(place: Place) -> None:
    store = place.store(max_entries=50) if type(place).__name__ == "Memory" else place.store()
    failures: list[BaseException] = []
    begin = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            begin.wait(10)
            for n in range(40):
                store.set("shared", {"writer": number, "n": n, "again": n})
                found = store.get("shared")
                assert found is None or found["n"] == found["again"]
                store.set(f"{number}", {"n": n})
                if n % 10 == 9:
                    store.delete("shared")
                assert store.get(f"{number}") == {"n": n}
        except BaseException as e:  # noqa: BLE001 # it's told to the test
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not failures
    assert [store.get(f"{n}") for n in range(8)] == [{"n": 39}] * 8


def test_pop_gives_data_to_one(place: Place) -> None:
    store = place.store()
    got: list[object] = []
    begin = threading.Barrier(4)

    def work() -> None:
        for n in range(20):
            begin.wait(10)
            if (found := store.pop(str(n))) is not None:
                got.append(found["n"])

    for n in range(20):
        store.set(str(n), {"n": n})
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(map(str, got)) == sorted(map(str, range(20)))
    assert store.pop("0") is None


def test_processes_that_begin_at_once(place: Place) -> None:
    """They make the place at once, and agree on the key."""
    if not place.is_shared:
        pytest.skip("is for one process")
    work = (
        "import sys; n = sys.argv[1] if len(sys.argv) > 1 else str(__import__('os').getpid())\n"
        "for i in range(50):\n"
        "    s.set(n, {'i': i}); s.set('shared', {'i': i}); assert s.get(n) == {'i': i}\n"
        "print(n, s.signing_key().hex()); s.close()"
    )
    processes = [python(f"{place.code}\n{work}") for _ in range(3)]
    told = [process.communicate(timeout=60)[0].split() for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({key for _, key in told}) == 1
    place.now = 0  # their sessions end by the real clock
    store = place.store()
    assert store.signing_key().hex() == told[0][1]
    assert [store.get(name) for name, _ in told] == [{"i": 49}] * 3


def test_forked_process(place: Place) -> None:
    """A child uses the store that its parent has used, while another thread has the lock."""
    store = place.store()
    store.set(ID, {"from": "parent"})
    with store._lock:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                found = store.get(ID)
                store.set("child", {"from": "child"})
                status = 0 if found == {"from": "parent"} and store.get("child") else 2
                store.close()
            finally:
                os._exit(status)
    try:
        _, status = os.waitpid(pid, 0)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise

    assert os.waitstatus_to_exitcode(status) == 0
    assert store.get(ID) == {"from": "parent"}
    assert (store.get("child") is not None) == place.is_shared


def test_key_is_the_setting_if_there_is_one(place: Place) -> None:
    assert place.store(secret="s" * 16).signing_key() == b"s" * 16


def test_closed_store_opens_again(place: Place) -> None:
    store = place.store()
    store.set(ID, {"a": 1})
    store.close()

    assert store.get(ID) == {"a": 1}
