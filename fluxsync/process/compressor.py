"""The supervisor's helper that compresses Streamlit's frontend files.

Workers serve what it has made as soon as it's complete; nobody waits for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import subprocess
import sys
import typing as t

from ..sansio import supervision

if t.TYPE_CHECKING:
    from .spec import Spec

logger = logging.getLogger("fluxsync.assets")

_PROGRAM = pathlib.Path(__file__).parents[1] / "assets" / "__main__.py"
#: What is read at once, all that a pipe holds, and what is remembered of its last words.
_READ_SIZE, _MAX_WORDS = 64 * 1024, 4096


class Compressor:
    """One process at a time. Belongs to the supervisor's main thread.

    :param environment: Streamlit's: it must find the same installation.
    """

    def __init__(self, spec: Spec, environment: t.Mapping[str, str]) -> None:
        self._spec = spec
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._done: set[str] = set()
        self._words = b""
        self._is_stopped = False

    def want(self, installation: str) -> None:
        """Start it, unless it has been started for this installation already."""
        if not installation or installation in self._done or self._process is not None:
            return
        self._done.add(installation)
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, str(_PROGRAM), *self._spec.cache_dirs],
                cwd=self._spec.directory,
                env={**self._environment},
                # Its end is how the process notices the supervisor's, even by SIGKILL.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Of its own, as the kernel shares time among sessions first.
                start_new_session=True,
            )
        except (OSError, ValueError) as e:
            _complain(str(e))

    def step(self) -> None:
        """Note its end, if it has ended."""
        process = self._process
        if process is None:
            return
        status = process.poll()
        assert process.stdin is not None
        assert process.stdout is not None
        # One whose pipe is full would wait, with the lock that others wait for. And one that
        # somebody else holds open isn't waited for.
        os.set_blocking(process.stdout.fileno(), False)
        self._words = (self._words + (process.stdout.read(_READ_SIZE) or b""))[-_MAX_WORDS:]
        if status is None:
            return
        process.stdin.close()
        process.stdout.close()
        self._process = None
        lines, self._words = self._words.decode(errors="replace").strip().splitlines(), b""
        if status == 0:
            for line in lines:
                logger.info("frontend files: %s", line)
        elif status > 0 or not self._is_stopped:
            _complain(lines[-1] if status > 0 and lines else supervision.describe_exit(status, ()))

    def stop(self) -> None:
        """End it. It has ended when :attr:`is_running` says so."""
        self._is_stopped = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    @property
    def is_running(self) -> bool:
        """Whether there's a process."""
        return self._process is not None


def _complain(reason: str) -> None:
    logger.warning("frontend files are sent as they are, not compressed: %s", reason)
