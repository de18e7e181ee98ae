"""Read request bodies that come in chunks from uWSGI.

Its ``wsgi.input`` knows no end of such a body, and fails. The chunks can be had from a function
of the server's own, one at a time.
"""

from __future__ import annotations

import io
import sys
import typing as t

if t.TYPE_CHECKING:
    from ..typing import WSGIEnvironment


def provide_input(environ: WSGIEnvironment) -> None:
    """Have ``wsgi.input`` end where a body in chunks does, if only uWSGI's function knows."""
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ and "uwsgi.version" in environ
    if is_chunked and not environ.get("wsgi.input_terminated"):
        environ["wsgi.input"] = io.BufferedReader(_Chunks(sys.modules["uwsgi"].chunked_read))
        environ["wsgi.input_terminated"] = True


class _Chunks(io.RawIOBase):
    """A stream of what a function returns, until that is empty.

    :param read: Returns the next chunk, of any length; raises OSError when there's none.
    """

    def __init__(self, read: t.Callable[[], bytes]) -> None:
        self._read = read
        self._rest = b""

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Fill a buffer with what there is, and return how much that is."""
        if not self._rest:
            self._rest = self._read()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
