"""The id of a request: where it travels, and what it may look like."""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
import typing as t

from .wrapping import WrappingBody

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Id of the API request or page run that this code belongs to; empty elsewhere.
current_request_id: contextvars.ContextVar[str] = contextvars.ContextVar(
    "fluxsync_request_id", default=""
)

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


@contextlib.contextmanager
def using_request_id(request_id: str) -> Iterator[None]:
    """Have the code in a block know the id of what it belongs to.

    :param request_id: Ignored if it isn't harmless, as that of :func:`accept_request_id`.
    """
    former = current_request_id.get()
    current_request_id.set(request_id if _VALID.fullmatch(request_id) else "")
    try:
        yield
    finally:
        current_request_id.set(former)


class IdentifiedBody(WrappingBody):
    """A response body in whose thread the request's id is known until it's closed.

    :param former: The id that is current afterwards.
    """

    def __init__(self, body: Iterable[bytes], former: str) -> None:
        super().__init__(body)
        self._former = former

    def _end(self) -> None:
        # Not with a token: some server may close it in another thread.
        current_request_id.set(self._former)
