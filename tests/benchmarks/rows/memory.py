"""What an idle worker costs, and the import of the package."""

from __future__ import annotations

import subprocess
import sys
import typing as t

import psutil

from tests.benchmarks.model import Metric, Row, Target
from tests.benchmarks.program import Contender, status
from tests.support.processes import environment

MODULES = {"flask": "flask", "api": "fluxsync.api.application", "gthread": "fluxsync"}


class Worker(Row):
    """After ten requests to the API, of the process that has answered them."""

    name = "worker"
    title = "Idle worker, and the import"
    share = 8
    contenders = ("flask", "api", "gthread")
    metrics = (
        Metric("rss", "memory of the worker, RSS", "MB", 1, drawn=True),
        Metric("pss", "memory of the worker, PSS", "MB", 1),
        Metric("import", "CPU to import its package", "ms"),
    )
    targets = (Target("rss", 15, "flask", how="difference"),)
    rounds = 3

    def measure(self, key: str) -> t.Mapping[str, float]:
        with self.field.make(key) as contender:
            for _ in range(10):
                status(contender.port, "/api/ping" if key == "gthread" else "/ping")
            full = worker(contender).memory_full_info()
            rss, pss = full.rss, full.pss
        return {"rss": rss / 1e6, "pss": pss / 1e6, "import": import_time(MODULES[key]) * 1e3}


def worker(contender: Contender) -> psutil.Process:
    """Return the one child of gunicorn's master."""
    [found] = psutil.Process(contender.pid).children()
    return found


def import_time(module: str) -> float:
    """Return the CPU seconds that a fresh process takes for an import."""
    program = (
        f"import time; begin = time.process_time(); import {module}; "
        "print(time.process_time() - begin)"
    )
    command = (sys.executable, "-c", program)
    output = subprocess.run(
        command, env=environment(), check=True, capture_output=True, text=True, timeout=60
    )
    return float(output.stdout)
