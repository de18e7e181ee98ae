"""The same routes for every application of ours that's compared."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    import flask


def add_routes(application: flask.Flask) -> None:
    """Add what the benchmarks call."""

    @application.get("/ping")
    def ping() -> dict[str, bool]:
        return {"ok": True}

    @application.get("/burn")
    def burn() -> dict[str, bool]:
        """Compute for 20 ms, as Python code does: it holds the GIL all the time."""
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return {"ok": True}
