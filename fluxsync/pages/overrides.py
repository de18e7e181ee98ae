"""What tests put in the place of headers, cookies and query parameters of a page.

In production they'd be a way to be somebody else, so they count in tests only.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ..exceptions import PageError

#: Overrides as a JSON object: parameters' names and their values.
VARIABLE = "FLUXSYNC_TEST_PAGE_OVERRIDES"
#: Without this one, the other doesn't count.
FLAG = "FLUXSYNC_TESTS"

# Not a context variable: AppTest runs the page in another thread.
_installed: list[t.Mapping[str, t.Any]] = []


@contextlib.contextmanager
def page_overrides(values: t.Mapping[str, t.Any]) -> t.Iterator[None]:
    """Give parameters of these names these values, in all threads of this process.

    Only ``Header``, ``Cookie`` and ``Query`` parameters; for dependencies there's
    ``app.dependency_overrides``.
    """
    _installed.append(values)
    try:
        yield
    finally:
        _installed.remove(values)


def current_overrides() -> dict[str, t.Any]:
    """Return what counts now, the latest last.

    :raise PageError: The environment's aren't a JSON object.
    """
    found: dict[str, t.Any] = {}
    text = os.environ.get(VARIABLE)
    if text and os.environ.get(FLAG, "").lower() in ("1", "true", "yes", "on"):
        try:
            found.update(json.loads(text))
        except (TypeError, ValueError):
            raise PageError(f"{VARIABLE}={text!r}: expected a JSON object") from None
    for values in list(_installed):
        found.update(values)
    return found
