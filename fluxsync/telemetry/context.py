"""The current request's id, for whoever logs during the request."""

from __future__ import annotations

import contextvars
import re
import uuid

#: WSGI environ key and header of the request id.
ENVIRON_KEY = "fluxsync.request_id"
HEADER = "X-Request-Id"

_request_id: contextvars.ContextVar[str] = contextvars.ContextVar("fluxsync_request_id", default="")
_VALID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


def accept_request_id(claimed: str) -> str:
    """Return the client's request id if it's harmless, else a new one.

    It ends in logs and headers, so letters, digits and a few signs are all it may have.
    """
    return claimed if claimed and _VALID.fullmatch(claimed) else uuid.uuid4().hex


def bind_request_id(request_id: str) -> None:
    """Make this the id of the current context's request."""
    _request_id.set(request_id)


def current_request_id() -> str:
    """Return the current request's id, or ``""``."""
    return _request_id.get()
