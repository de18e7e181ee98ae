"""What the supervisor says to the person who has started the server, besides the log."""

from __future__ import annotations

import contextlib
import sys
import typing as t

from ..telemetry import logs
from .progress import Progress

if t.TYPE_CHECKING:
    from ..sansio.balancing import Table
    from .spec import Spec


class Announcements:
    """Says on the terminal what is waited for, where the application is, or why it isn't.

    Belongs to the supervisor's main thread.
    """

    def __init__(self) -> None:
        self._progress = Progress()
        self._is_announced = False

    def starting(self, seconds: float | None) -> None:
        """Say for how long Streamlit has been starting; ``None`` if it isn't."""
        if seconds is None:
            self._progress.clear()
        else:
            self._progress.show(f"Starting Streamlit ... {seconds:.0f} s")

    def ready(self, spec: Spec) -> None:
        """Say where the application is, the first time."""
        if spec.url and not self._is_announced:
            self._is_announced = True
            _say(f"Running on {spec.url}")
            if spec.browser_url:
                _say(f"In the browser: {spec.browser_url}")

    def given_up(self, table: Table) -> None:
        """Say why Streamlit did not start."""
        for row in table.rows:
            _say(logs.last_words(f"Streamlit did not start: {row.reason}"), sys.stderr)


def _say(line: str, stream: t.TextIO | None = None) -> None:
    """Print a line for people; nobody may be listening any more."""
    with contextlib.suppress(OSError, ValueError):
        (stream or sys.stdout).write(line + "\n")
        (stream or sys.stdout).flush()
