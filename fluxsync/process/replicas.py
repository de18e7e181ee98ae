"""Streamlit's processes as the supervisor sees them: started, listened to, ended."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import typing as t

from .output import LINES_PER_SECOND, Output

if t.TYPE_CHECKING:
    from .spec import Spec

logger = logging.getLogger("fluxsync.streamlit")

#: What is read at once, and how often after the end: what the process has started in a
#: session of its own may write for ever.
_READ_SIZE, _LAST_READS = 64 * 1024, 16
#: A path has 4096 bytes at most.
_MAX_REPORT = 5 * 1024
#: Of a port.
_MAX_DIGITS = 5

_CHILD = pathlib.Path(__file__).with_name("child.py")


class Child:
    """One Streamlit process and its pipes. Belongs to the supervisor's main thread.

    The main thread must be the one that starts it: on Linux, the child is killed when the
    *thread* that started it ends (``PR_SET_PDEATHSIG``).
    """

    def __init__(self, replica: str, spec: Spec, environment: t.Mapping[str, str]) -> None:
        self.replica = replica
        output_read, output_write = os.pipe()
        report_read, report_write = os.pipe()
        command = [
            *(sys.executable, "-u", str(_CHILD), str(report_write), str(os.getpid())),
            *(spec.target or "-", *spec.arguments),
        ]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=spec.directory,
                env={**environment},
                stdin=subprocess.DEVNULL,
                stdout=output_write,
                stderr=output_write,
                pass_fds=(report_write,),
                # Its own group: a signal from a terminal is for the server, and what
                # scripts start in it ends with it.
                start_new_session=True,
            )
        except BaseException:
            os.close(output_read)
            os.close(report_read)
            raise
        finally:
            os.close(output_write)
            os.close(report_write)
        self.pid = self._process.pid
        #: When it was started, in Unix time.
        self.started = time.time()
        self.output = output_read
        self.report = report_read
        self.ports: tuple[int, ...] = ()
        #: Which frontend files it says it serves.
        self.frontend = ""
        #: Why the supervisor has killed it, if it has.
        self.verdict = ""
        self._printed = Output()
        for pipe in (self.output, self.report):
            os.set_blocking(pipe, False)

    def read_output(self) -> bool:
        """Log what it has printed; return whether there may be more."""
        try:
            data = os.read(self.output, _READ_SIZE)
        except BlockingIOError:
            return True
        now, facts = time.monotonic(), {"replica": self.replica}
        if omitted := self._printed.take_omitted(now if data else float("inf")):
            message = "%d lines were left out, more than %d in a second"
            logger.warning(message, omitted, LINES_PER_SECOND, extra=facts)
        for line in self._printed.feed(data, now):
            logger.info("%s", line, extra=facts)
        return bool(data)

    def read_report(self) -> bool:
        """Take the ports that it listens on, and what it serves; return whether there may be more.

        The pipe is open to the application's code too: anything may come. What it says about
        frontend files is a name to compare others with, and never a path to open.
        """
        try:
            data = os.read(self.report, _MAX_REPORT)
        except BlockingIOError:
            return True
        ports, _, rest = data.partition(b"\n")
        # Python refuses to read numbers of some thousand digits.
        digits = (port for port in ports.split() if port.isdigit() and len(port) <= _MAX_DIGITS)
        self.ports = tuple(map(int, digits))
        self.frontend = rest.partition(b"\n")[0].decode(errors="replace")
        return False

    def poll(self) -> int | None:
        """Return the exit status if it has ended; negative for a signal."""
        return self._process.poll()

    @property
    def last_lines(self) -> list[str]:
        """What it printed last, redacted."""
        return self._printed.last_lines

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL goes to everything that it has started too."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    def close(self) -> None:
        """End what it has left behind, read what is left, close the pipes. After its end."""
        self.signal(signal.SIGKILL)
        for _ in range(_LAST_READS):
            if not _readable(self.output) or not self.read_output():
                break
        for pipe in (self.output, self.report):
            os.close(pipe)


def _readable(pipe: int) -> bool:
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    return bool(poller.poll(0))
