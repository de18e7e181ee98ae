"""The id of a request: where it travels, and what it may look like."""

from __future__ import annotations

import re
import uuid

#: WSGI environ key and header of the request id.
ENVIRON_KEY = "fluxsync.request_id"
HEADER = "X-Request-Id"

_VALID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


def accept_request_id(claimed: str) -> str:
    """Return the client's request id if it's harmless, else a new one.

    It ends in logs and headers, so letters, digits and a few signs are all it may have.
    """
    return claimed if claimed and _VALID.fullmatch(claimed) else uuid.uuid4().hex
