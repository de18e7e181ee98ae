from __future__ import annotations

import json
import os
import time

import pytest

from fluxsync.process.spec import Spec
from fluxsync.process.status import status
from fluxsync.sansio.supervision import Replica, State


def test_nothing_is_known_yet() -> None:
    found = status(None, 1, (), (), {}, {}, {})

    assert found.pop("memory_bytes") > 1_000_000
    assert 0 < found.pop("started") <= time.time()
    assert found == {
        "name": "",
        "directory": "",
        "url": "",
        "server": "",
        "pid": os.getpid(),
        "workers_memory_bytes": 0,
        "anchor": 1,
        "workers": [],
        "tunnels": {},
        "replicas": [],
    }


def test_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    spec = Spec(name="app:app", directory="/srv", url="http://127.0.0.1:8000")
    replicas = [
        Replica("r1", State.RUNNING, since=90.04, pid=7, host="127.0.0.1", port=8501, healthy=True),
        Replica("r2", State.FATAL, since=40, reason="exit code 1"),
    ]
    tunnels = {"transports": {"stream": 2}, "reasons": {"websocket-refused": 2}}
    found = status(spec, 1, (3, 2), replicas, {"r1": 5, "gone": 1}, tunnels, {"r1": 7.5})

    assert (found["name"], found["directory"]) == ("app:app", "/srv")
    assert found["url"] == "http://127.0.0.1:8000"
    assert found["workers"] == [2, 3]
    assert found["tunnels"] == tunnels
    assert [(r["id"], r["state"], r["address"]) for r in found["replicas"]] == [
        ("r1", "RUNNING", "127.0.0.1:8501"),
        ("r2", "FATAL", ""),
    ]
    assert [(r["seconds"], r["sessions"]) for r in found["replicas"]] == [(10.0, 5), (60.0, 0)]
    assert [(r["pid"], r["healthy"], r["reason"]) for r in found["replicas"]] == [
        (7, True, ""),
        (replicas[1].pid, replicas[1].healthy, "exit code 1"),
    ]
    assert [replica["started"] for replica in found["replicas"]] == [7.5, None]
    assert json.loads(json.dumps(found)) == found
