"""Begin something before a process serves requests, and end it after that."""

from __future__ import annotations

import atexit
import threading
import typing as t


def call_around(worker: t.Any, begin: t.Callable[[], None], end: t.Callable[[], None]) -> None:
    """Have something called right before one of gunicorn's workers serves, and right after.

    Even :func:`at_exit` is too late to start a thread (Python 3.12).

    :param worker: gunicorn's object, whose application may still be loading.
    """
    run = worker.run

    def run_between() -> None:
        begin()
        try:
            run()
        finally:
            end()

    worker.run = run_between


def at_exit(call: t.Callable[[], None]) -> None:
    """Have something called when the main thread ends, however the server does that.

    Not with :mod:`atexit`, whose turn comes when the threads of the server have ended, which
    some never do, and when thread pools take no work any more.
    """
    # Those that were registered last are called first.
    import concurrent.futures.thread  # noqa: F401

    # Python's own thread pools use it, and nothing else does the same (3.9 to 3.14).
    register = getattr(threading, "_register_atexit", atexit.register)
    register(call)
