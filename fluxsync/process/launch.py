"""Start a supervisor, and reach one that runs."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import typing as t

from ..exceptions import SupervisorError
from . import wire

if t.TYPE_CHECKING:
    from .lifetime import Anchor
    from .state import StateDirectory

#: Seconds that sending may take before the supervisor counts as gone.
SEND_TIMEOUT = 5.0

#: The supervisor's program. It forks, so that it's nobody's child: gunicorn before 26 stops
#: when any child of its master exits with status 3 or 4. Isolated and without site-packages,
#: it has the standard library and fluxsync, and starts in 30 ms.
_PROGRAM = """\
import os, sys
if os.fork():
    os._exit(0)
os.setsid()
sys.path.append(sys.argv[1])
from fluxsync.serving.supervisord import main
main(sys.argv[2:])
"""


def python_program() -> str:
    """Return the Python program that finds the packages that this process finds.

    It's :data:`sys.executable`, except in programs that have Python within: pyuwsgi in a virtual
    environment names the Python that the environment was made with.
    """
    own = os.path.join(sys.prefix, "bin")
    is_own = sys.prefix == sys.base_prefix or os.path.dirname(sys.executable) == own
    named = "python" in os.path.basename(sys.executable)
    program = os.path.join(own, "python3")
    return sys.executable if (is_own and named) or not os.path.exists(program) else program


def connect(state: StateDirectory) -> socket.socket | None:
    """Return a connection to a supervisor, or ``None`` if there is none."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(SEND_TIMEOUT)
    try:
        sock.connect(os.fspath(state.socket))
    except OSError:
        sock.close()
        return None
    return sock


def ask(state: StateDirectory, kind: str, timeout: float = 5.0) -> dict[str, t.Any] | None:
    """Send a command to a supervisor and return its answer; ``None`` if there's none.

    ``stop`` returns when the supervisor has ended.

    :param timeout: Seconds.
    """
    sock = connect(state)
    if sock is None:
        return None
    with sock:
        sock.settimeout(timeout)
        receiver = wire.Receiver()
        answer: dict[str, t.Any] | None = None
        try:
            wire.send(sock, {"type": kind})
            while (messages := receiver.receive(sock)) is not None:
                answer = messages[-1].data if messages else answer
                if answer is not None and kind != "stop":
                    break
        except (OSError, wire.WireError):
            pass
        return answer


def launch(state: StateDirectory, lock: int, anchor: Anchor) -> None:
    """Start the supervisor's process and give it the lock.

    :raise SupervisorError: It can't be started.
    """
    package_parent = pathlib.Path(__file__).parents[2]
    command = [
        *(python_program(), "-I", "-S", "-c", _PROGRAM, os.fspath(package_parent)),
        *(os.fspath(state.path), str(lock), str(anchor.pid), anchor.start),
    ]
    try:
        launcher = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, pass_fds=(lock,)
        )
        launcher.wait()
    except OSError as e:
        raise SupervisorError(f"can't start the supervisor: {e}") from e
