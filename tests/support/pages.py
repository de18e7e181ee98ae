"""Pages under Streamlit's AppTest, without an application around them."""

from __future__ import annotations

import typing as t

from streamlit.testing.v1 import AppTest

from tests.support.waiting import FACTOR

#: Seconds that a run may take. Streamlit's own 3 aren't enough for the first page of a process
#: that shows a table on a busy machine, as it imports pandas and PyArrow.
RUN_SECONDS = 60 * FACTOR


def page_test(script: t.Callable[..., None], **arguments: t.Any) -> AppTest:
    """Return a test of a page that has not run yet.

    :param script: Its source runs, away from its module: it needs imports of its own.
    :param arguments: What it's called with.
    """
    return AppTest.from_function(script, default_timeout=RUN_SECONDS, kwargs=arguments)


def script_test(path: object) -> AppTest:
    """Return a test of a script's file that has not run yet."""
    return AppTest.from_file(str(path), default_timeout=RUN_SECONDS)
