"""The span of a page's run, which goes on with the trace of the browser's WebSocket."""

from __future__ import annotations

import contextlib
import typing as t

from ..telemetry import tracing
from ..telemetry.requestid import current_request_id
from ..telemetry.tracers import FIELDS

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def page_span(st: t.Any, path: str, fragment: str = "") -> Iterator[None]:
    """Have a span for a run of a page, within which its calls of the API are.

    :param st: The :mod:`streamlit` module.
    :param path: The page's path; ``""`` if it isn't known.
    :param fragment: What runs without its page.
    """
    if not tracing.is_wanted():
        yield
        return
    headers = st.context.headers
    facts = {
        "fluxsync.page.path": path,
        "fluxsync.page.fragment": fragment,
        "fluxsync.request_id": current_request_id.get(),
    }
    parent = {name: str(headers.get(name) or "") for name in FIELDS}
    span = tracing.begin_span(
        "fluxsync.page", {k: v for k, v in facts.items() if v}, "server", parent
    )
    failure: Exception | None = None
    try:
        with span.current():
            yield
    except Exception as e:
        # A page that's done, or whose user went on, ends with what isn't one (st.stop()).
        failure = e
        raise
    finally:
        span.end(failure)
