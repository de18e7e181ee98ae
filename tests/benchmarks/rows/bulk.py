"""Uploads and downloads that fit in no memory one would want to pay for."""

from __future__ import annotations

import contextlib
import time
import typing as t

from tests.benchmarks.contenders import GATEWAYS
from tests.benchmarks.load import HttpClient, LoadError, Loop, connect, get
from tests.benchmarks.measure import Memory, peaks, reset_peaks
from tests.benchmarks.model import Metric, Row, Target

BLOCK = bytes(1 << 18)


class Bulk(Row):
    """The peak is that of whichever process has grown most."""

    name = "bulk"
    title = "500 MB up, 500 MB down"
    share = 20
    contenders = ("upstream", *GATEWAYS)
    metrics = (
        Metric("up", "upload", "MB/s", drawn=True, more_is_better=True),
        Metric("up_cpu", "CPU, upload", "µs/MB"),
        Metric("up_memory", "growth in an upload", "MB", 1),
        Metric("down", "download", "MB/s", drawn=True, more_is_better=True),
        Metric("down_cpu", "CPU, download", "µs/MB"),
        Metric("down_memory", "growth in a download", "MB", 1),
    )
    targets = (
        Target("up_memory", 16, how="value"),
        Target("down_memory", 16, how="value"),
    )
    rounds = 1

    def measure(self, key: str) -> t.Mapping[str, float]:
        megabytes = 20 if self.effort.quick else 500
        found = {}
        with contextlib.ExitStack() as stack:
            contender = stack.enter_context(self.field.make(key))
            port = contender.port
            upload(port, 1)  # what is made once
            HttpClient(port, get(port, "/bytes/1000")).sock.close()
            for name, move in (("up", upload), ("down", download)):
                processes = contender.processes()
                before = Memory.now(processes).rss
                reset_peaks(processes)
                cpu = self.cpu(contender)
                begin = time.perf_counter()
                move(port, megabytes)
                elapsed = time.perf_counter() - begin
                found[name] = megabytes / elapsed
                found[f"{name}_cpu"] = cpu.used() / megabytes * 1e6
                highest = peaks(processes)
                grown = max(highest[pid] - before[pid] for pid in before)
                found[f"{name}_memory"] = grown / 1e6
        return found


def upload(port: int, megabytes: int) -> None:
    """Send a body, and wait for the answer.

    :raise LoadError: It wasn't received whole.
    """
    size = megabytes * 1_000_000
    head = get(port, "/sink", {"Content-Length": str(size), "Content-Type": "application/x-bin"})
    with connect(port) as sock:
        sock.sendall(head.replace(b"GET", b"POST", 1))
        left = size
        while left:
            sent = sock.send(memoryview(BLOCK)[: min(left, len(BLOCK))])
            left -= sent
        answer = b""
        while str(size).encode() not in answer.partition(b"\r\n\r\n")[2]:
            data = sock.recv(4096)
            if not data:
                raise LoadError(f"upload not received: {answer[:200]!r}")
            answer += data


def download(port: int, megabytes: int) -> None:
    """Receive a body whole.

    :raise LoadError: It broke off.
    """
    request = get(port, f"/bytes/{megabytes * 1_000_000}")
    with Loop([HttpClient(port, request)]) as loop:
        loop.run(120, limit=1)
