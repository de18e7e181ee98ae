"""Load beside what is measured, from a process of its own; runs until it's ended."""

from __future__ import annotations

import argparse
import math
import sys

from tests.benchmarks.load import Client, HttpClient, Loop, get
from tests.benchmarks.program import Contender, Program, raise_file_limit
from tests.benchmarks.websocket import EchoClient, open_websockets

#: What the program prints when it has opened all connections.
RUNNING = "running"


class Background(Program):
    """The load, started when all its connections are open; a context manager.

    :param kind: ``echo``, or a path to be requested.
    :param interval: Seconds from one request of a connection to the next.
    """

    def __init__(self, contender: Contender, kind: str, connections: int, interval: float) -> None:
        options = (kind, str(contender.port), str(connections), str(interval))
        super().__init__(sys.executable, "-m", "tests.benchmarks.background", *options)

    def start(self) -> None:
        super().start()
        self.wait_for_line(RUNNING, 60)

    def check(self) -> None:
        """Fail if it has ended: what was measured meanwhile was measured without it."""
        if self.popen.poll() is not None:
            raise AssertionError(f"the load beside it has failed: {self.output[-300:]}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("interval", type=float)
    arguments = parser.parse_args()
    raise_file_limit()
    port, interval = arguments.port, arguments.interval
    clients: list[Client] = []
    if arguments.kind == "echo":
        for sock in open_websockets(port, arguments.connections):
            clients.append(EchoClient(sock, 200, interval))
    else:
        for _ in range(arguments.connections):
            clients.append(HttpClient(port, get(port, arguments.kind), interval))
    sys.stdout.write(RUNNING + "\n")
    sys.stdout.flush()
    Loop(clients).run(math.inf)


if __name__ == "__main__":
    main()
