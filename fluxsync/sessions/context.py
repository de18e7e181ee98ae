"""What the running page's application says about URL sessions.

The helpers of :mod:`~fluxsync.sessions.url` are functions that get ``st`` and a store; they would
have to guess the rest from the environment. So whoever runs a page says it here.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import FluxSyncSettings


@dataclasses.dataclass(frozen=True)
class SessionContext:
    """The settings of URL sessions."""

    #: Name of the query parameter.
    param: str = "fluxsync_sid"
    #: Signs ids; the store keeps a key if it's empty.
    secret: str = dataclasses.field(default="", repr=False)
    #: Whether there are any.
    enabled: bool = True

    @classmethod
    def of(cls, settings: FluxSyncSettings) -> SessionContext:
        """Return what an application's settings say."""
        return cls(
            settings.url_session_query_param,
            settings.session_secret,
            not settings.disable_url_session,
        )


_current: contextvars.ContextVar[SessionContext | None] = contextvars.ContextVar(
    "fluxsync_sessions", default=None
)

# Streamlit calls callbacks before the script, and fragments without it, so that no page is
# running then. A Streamlit process has the pages of one application only.
_latest = SessionContext()


def current() -> SessionContext:
    """Return the context of the page that runs, or else of the one that ran last."""
    return _current.get() or _latest


@contextlib.contextmanager
def using(context: SessionContext) -> Iterator[None]:
    """Have a context for what is called within."""
    global _latest
    _latest = context
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
