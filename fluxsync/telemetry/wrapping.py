"""Do something when a response's body is closed. No I/O."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class WrappingBody:
    """A response's body around another one, with something that is due at its end.

    Werkzeug's ``ClosingIterator`` would leave that out where closing the other one fails.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the other body, and do what is due, even if that fails.

        Servers call it once, whatever has happened (PEP 3333).
        """
        try:
            close_body(self._body)
        finally:
            self._end()

    def _end(self) -> None:
        """Do what is due."""


def close_body(body: object) -> None:
    """Close a response's body, if it's one that wants to be closed (PEP 3333)."""
    close = getattr(body, "close", None)
    if close is not None:
        close()
