"""The id of a request: where it travels, and what it may look like."""

from __future__ import annotations

import os
import re

#: WSGI environ key and header of the request id.
ENVIRON_KEY = "fluxsync.request_id"
HEADER = "X-Request-Id"

_VALID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


class _Supply:
    """Random ids, made many at a time: each call of the system costs more than an id."""

    def __init__(self) -> None:
        self._pid = 0
        self._ids: list[str] = []

    def take(self) -> str:
        """Return one that nobody has had; any thread may call it."""
        if self._pid != os.getpid():
            # After a fork, the other process has the same ones.
            self._ids, self._pid = [], os.getpid()
        try:
            return self._ids.pop()
        except IndexError:
            data = os.urandom(16 * 256).hex()
            self._ids += [data[at : at + 32] for at in range(32, len(data), 32)]
            return data[:32]


_supply = _Supply()


def accept_request_id(claimed: str) -> str:
    """Return the client's request id if it's harmless, else a new one.

    It ends in logs and headers, so letters, digits and a few signs are all it may have.
    """
    return claimed if claimed and _VALID.fullmatch(claimed) else _supply.take()
