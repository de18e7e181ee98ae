"""What pages find around them while a test runs them: the application, and a way to its API.

All of it is the process's, as pages run in a thread of Streamlit's, and may start threads of
their own. So there's one run at a time, and tests in several threads wait for each other.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import typing as t

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.testing.v1 import AppTest

from ..config.target import import_target
from ..pages import navigation
from ..pages.overrides import page_overrides
from ..upstream.ways import Way, use_way

if t.TYPE_CHECKING:
    from ..app import FluxSync
    from ..upstream.inprocess import InProcessAdapter

_running = threading.RLock()
_current: list[Surroundings] = []


def show_application() -> None:
    """Show the application under test; this is Streamlit's main script.

    :raise RuntimeError: Nothing is being tested.
    """
    if not _current:
        raise RuntimeError("under_test.py runs in FluxSyncTestClient.streamlit() only")
    _current[-1].show()


class Surroundings:
    """What pages find around them.

    :param app: Their application.
    :param adapter: The way to its API, whichever client goes it.
    :param target: Import target of the application to show; empty for ``app``.
    :param path: Directory to import it from, besides the usual ones.
    :param overrides: Values of parameters, by their names.
    """

    def __init__(
        self,
        app: FluxSync,
        adapter: InProcessAdapter,
        target: str,
        path: str,
        overrides: t.Mapping[str, t.Any],
    ) -> None:
        #: The application that is shown.
        self.app = app
        #: Streamlit's name for the page that the last run has ended with.
        self.page_hash = ""
        self._adapter = adapter
        self._target = target
        self._path = path
        self._overrides = overrides

    @contextlib.contextmanager
    def entered(self) -> t.Iterator[None]:
        """Have it all there, and everything as before afterwards."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_running)
            stack.enter_context(_streamlit_restored())
            # Importing a target adds directories, too; what is imported stays, as ever.
            stack.enter_context(_path_restored())
            if self._path:
                sys.path.insert(0, self._path)
            _current.append(self)
            stack.callback(_current.pop)
            stack.enter_context(use_way(Way(self._adapter.base_url), self._adapter))
            stack.enter_context(page_overrides(self._overrides))
            yield

    def show(self) -> None:
        """Show the application, in the thread of Streamlit's script."""
        try:
            if self._target:
                self.app = import_target(self._target)
            navigation.show(self.app)
        finally:
            context = get_script_run_ctx()
            if context is not None:
                self.page_hash = context.page_script_hash


class PageTest(AppTest):
    """An :class:`~streamlit.testing.v1.AppTest` whose runs find their surroundings.

    Not only the first run, but those that :meth:`run` and widgets start later, too.
    """

    surroundings: Surroundings

    @property
    def page_paths(self) -> str:
        """The paths of the pages, for messages."""
        return ", ".join(record.path for record in self.surroundings.app.page_records)

    def _run(self, *args: t.Any, **kwargs: t.Any) -> AppTest:
        # All runs go this way (Streamlit 1.42 to 1.67), those of widgets included.
        with self.surroundings.entered():
            try:
                return super()._run(*args, **kwargs)
            finally:
                # The next run begins with that page, also where AppTest forgets it (1.42).
                self._page_hash = self.surroundings.page_hash


@contextlib.contextmanager
def _streamlit_restored() -> t.Iterator[None]:
    """Undo what AppTest leaves in Streamlit when a run takes too long."""
    secrets, runtime = st.secrets, Runtime._instance
    try:
        yield
    finally:
        st.secrets, Runtime._instance = secrets, runtime


@contextlib.contextmanager
def _path_restored() -> t.Iterator[None]:
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
