"""Notice, while an application is developed, that files of its modules have changed.

Streamlit does so for sessions that are open, and asks their users. What changes while there's
none, or just before a browser loads its page again, would go unnoticed (Streamlit 1.67).
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import typing as t

_INSTALLED = {"site-packages", "dist-packages"}

#: What a file is like: when it was written, and what is beside it if it makes a package.
State: t.TypeAlias = "tuple[int, frozenset[str]]"


class Modules:
    """The modules of an application, and what their files were like when they were imported.

    Thread-safe.

    :param is_own: Tells by its file whether a module is the application's.
    """

    def __init__(self, is_own: t.Callable[[str], bool]) -> None:
        self._is_own = is_own
        self._lock = threading.Lock()
        self._known: dict[str, tuple[t.Any, str, State]] = {}

    def note(self) -> None:
        """Note those that have been imported since."""
        with self._lock:
            for name, module in list(sys.modules.items()):
                path = getattr(module, "__file__", None)
                if not isinstance(path, str) or self._known.get(name, (None,))[0] is module:
                    continue
                if not _INSTALLED & set(path.split(os.sep)) and self._is_own(path):
                    self._known[name] = (module, path, _state(path))

    def forget_changed(self) -> None:
        """Have all of them imported anew if one has changed: others may have its names."""
        with self._lock:
            if any(
                sys.modules.get(name) is module and _state(path) != state
                for name, (module, path, state) in self._known.items()
            ):
                for name in self._known:
                    sys.modules.pop(name, None)
                self._known.clear()


def _state(path: str) -> State:
    beside: t.Iterable[str] = ()
    try:
        if os.path.basename(path) == "__init__.py":
            # Pages are found by what is there.
            beside = (name for name in os.listdir(os.path.dirname(path)) if name.endswith(".py"))
        return os.stat(path).st_mtime_ns, frozenset(beside)
    except OSError:
        return 0, frozenset()


def _is_watched(path: str) -> bool:
    files: t.Any = importlib.import_module("streamlit.file_util")
    return bool(files.file_in_pythonpath(path))


#: Those of this process, by what Streamlit watches.
MODULES = Modules(_is_watched)
