from __future__ import annotations

import subprocess
import sys
import typing as t

import pytest

from fluxsync.bridges.turns import call_around


class Worker:
    """As much of gunicorn's as is used."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    def run(self) -> None:
        self.calls.append("run")
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, SystemExit(0)])
def test_around(error: BaseException | None) -> None:
    """However it ends, and whatever else was put around."""
    worker = Worker(error)
    for name in ("inner", "outer"):

        def note(what: str, name: str = name) -> None:
            worker.calls.append(f"{what} {name}")

        call_around(worker, lambda n=note: n("begin"), lambda n=note: n("end"))  # type: ignore[misc]
    run: t.Callable[[], None] = worker.run
    if error is None:
        run()
    else:
        with pytest.raises(SystemExit):
            run()

    assert worker.calls == ["begin outer", "begin inner", "run", "end inner", "end outer"]


PROGRAM = """
import concurrent.futures, threading, time
from fluxsync.bridges.turns import at_exit

pool = concurrent.futures.ThreadPoolExecutor()
pool.submit(print, "works")
done = threading.Event()
threading.Thread(target=done.wait).start()

def end():
    pool.submit(print, "still works").result()
    done.set()  # else it would wait for that thread

at_exit(end)
"""


def test_at_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout == "works\nstill works\n"
    assert done.stderr == ""
