"""Ask Streamlit servers whether they're well, without ever delaying the supervisor."""

from __future__ import annotations

import queue
import socket
import threading
import typing as t

#: Seconds that an answer may take. Scripts that compute hold Streamlit's lock for a while.
TIMEOUT = 2.0

#: The readiness path since Streamlit 1.19: 200 "ok", 503 before.
_REQUEST = (
    b"GET /_stcore/health HTTP/1.1\r\nHost: %b\r\nUser-Agent: fluxsync\r\nConnection: close\r\n\r\n"
)


class Result(t.NamedTuple):
    """One answer: the port that answered, or ``None``."""

    replica: str
    port: int | None


class Prober:
    """A thread that probes on demand, one server after the other.

    :param report: Called in the prober's thread with each :class:`Result`.
    """

    def __init__(self, report: t.Callable[[Result], None]) -> None:
        self._report = report
        self._jobs: queue.SimpleQueue[tuple[str, str, tuple[int, ...]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fluxsync-prober", daemon=True)
        self._thread.start()

    def probe(self, replica: str, host: str, ports: tuple[int, ...]) -> None:
        """Ask for a probe; of several ports, the first that answers counts."""
        self._jobs.put((replica, host, ports))

    def stop(self) -> None:
        """End the thread, at the latest when the current probe times out."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            replica, host, ports = job
            answering = next((port for port in ports if is_healthy(host, port)), None)
            self._report(Result(replica, answering))


def is_healthy(host: str, port: int) -> bool:
    """Whether a Streamlit server answers that it's ready."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as sock:
            sock.settimeout(TIMEOUT)
            authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            sock.sendall(_REQUEST % authority.encode("idna"))
            answer = b""
            while len(answer) < 12:
                data = sock.recv(4096)
                if not data:
                    return False
                answer += data
            return answer.startswith(b"HTTP/1.") and answer[8:12] == b" 200"
    except (OSError, UnicodeError, OverflowError):
        return False
