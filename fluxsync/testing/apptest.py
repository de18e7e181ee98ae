"""Help with Streamlit's AppTest: its own, or the one of FluxSyncTestClient."""

from __future__ import annotations

import typing as t

from ..pages.command import SCRIPT
from ..pages.deep_links import PAGE_KEY

if t.TYPE_CHECKING:
    from pathlib import Path

    from streamlit.testing.v1 import AppTest

    AppTestT = t.TypeVar("AppTestT", bound=AppTest)


def streamlit_main_path() -> Path:
    """Return Streamlit's main script, for ``AppTest.from_file``.

    It shows the pages of the application that the environment variable ``FLUXSYNC_APP`` names,
    in the same way as in production.
    """
    return SCRIPT


def assert_no_streamlit_exception(at: AppTest) -> None:
    """Fail if the last run has shown an exception or an error (``st.error``).

    :raise AssertionError: It has; the message has what was shown in one line, and for
        exceptions their type.
    """
    __tracebackhide__ = True
    shown = []
    for exception in at.exception:
        kind = exception.proto.type
        # 1.42 has the type in front of the message already.
        known = not kind or exception.message.startswith(f"{kind}:")
        shown.append(exception.message if known else f"{kind}: {exception.message}")
    shown += [f"st.error: {error.value}" for error in at.error]
    if shown:
        raise AssertionError(f"the page shows {'; '.join(_line(text) for text in shown)}")


#: The same under its other name.
apptest_assert_no_errors = assert_no_streamlit_exception


def apptest_select_page(at: AppTestT, page: str, *, timeout: float | None = None) -> AppTestT:
    """Go to a page as the link ``?page=...`` does, and run it.

    Other query parameters stay.

    :param page: Path, path without slashes, or title.
    :param timeout: Seconds that the run may take; those of ``at`` if not given.
    :raise ValueError: There's no such page; the run was in vain.
    """
    at.query_params[PAGE_KEY] = page
    at.run(timeout=timeout)
    # Whoever follows the link takes it out of the query.
    if at.query_params.pop(PAGE_KEY, None) is not None:
        known = getattr(at, "page_paths", "")
        raise ValueError(f"{page!r} is no page's path or title{known and f': there are {known}'}")
    return at


def _line(text: str) -> str:
    return " ".join(text.split())
