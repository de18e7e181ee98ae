"""An application as it's served, Streamlit included, for tests with a browser."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from urllib.parse import urlsplit

from ..app import FluxSync
from ..config.target import find_target
from ..exceptions import FluxSyncError

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: What the server says when it's there.
_RUNNING = re.compile(r"^Running on (http://\S+)", re.MULTILINE)
#: Seconds between two looks.
_PAUSE = 0.05
#: Seconds that it may take to end; requests and Streamlit get their own time before that.
_GRACE = 20.0
#: Lines of its output that are shown when it doesn't start.
_SHOWN = 30
#: ``fluxsync``, which ends when the process of the tests is killed. The kernel goes by the
#: thread that has started it, so that only the main one may ask for that.
_PROGRAM = """
import sys
from fluxsync.cli import main
from fluxsync.process.child import die_with
parent = int(sys.argv.pop(1))
if parent:
    die_with(parent)
main()
"""


@contextlib.contextmanager
def serve(
    application: FluxSync | str,
    *,
    env: t.Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Iterator[str]:
    """Serve an application with ``fluxsync run``, and yield its URL, without a slash at the end.

    On a free port of this machine, and until the end of the block, whatever ends it. It's another
    process: it imports the application anew, from what is importable here.

    :param application: Import target, or an application that a module has as an attribute.
    :param env: More environment variables: settings, say.
    :param timeout: Seconds until it has to be ready.
    :raise TypeError: It's neither.
    :raise TargetError: No module has the application.
    :raise FluxSyncError: It doesn't start; the message ends with its output.
    """
    if not isinstance(application, (str, FluxSync)):
        raise TypeError(f"application={application!r}: expected a FluxSync, or its import target")
    target = application if isinstance(application, str) else find_target(application)
    parent = os.getpid() if threading.current_thread() is threading.main_thread() else 0
    command = [sys.executable, "-c", _PROGRAM, str(parent), "run", target]
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(  # noqa: S603 # what's served is the tests' own
            [*command, "--host", "127.0.0.1", "--port", "0"],
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _wait(server, output, timeout)
        finally:
            _end(server)


def _wait(server: subprocess.Popen[bytes], output: t.BinaryIO, timeout: float) -> str:
    """Return the server's URL once it's ready."""
    deadline = time.monotonic() + timeout
    while server.poll() is None and time.monotonic() < deadline:
        found = _RUNNING.search(_text(output))
        if found and _is_ready(found[1]):
            return found[1].rstrip("/")
        time.sleep(_PAUSE)
    said = "\n".join(_text(output).splitlines()[-_SHOWN:])
    ended = server.returncode
    what = f"isn't ready after {timeout:g} s" if ended is None else f"ended with status {ended}"
    raise FluxSyncError(f"the server {what}:\n{said}")


def _text(output: t.BinaryIO) -> str:
    # Not by its position, which the server writes at.
    return os.pread(output.fileno(), 1 << 20, 0).decode(errors="replace")


def _is_ready(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5.0)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", f"{parts.path.rstrip('/')}/readyz")
        return connection.getresponse().status == 200
    return False


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and all that it has started, even if Ctrl-C is pressed meanwhile."""
    server.send_signal(signal.SIGTERM)
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_GRACE)
    finally:
        # Streamlit and its supervisor end with it.
        server.kill()
        server.wait()
