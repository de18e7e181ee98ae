"""Send files."""

from __future__ import annotations

import io
import os
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..telemetry.access import Exchange
    from ..telemetry.recorder import Recorder
    from ..typing import Headers, StartResponse
    from .request import Request

#: Up to so many bytes, one read is cheaper than what a server does for a file.
_SMALL = 64 * 1024
#: What is read at once of larger ones, where the server doesn't leave it to the kernel.
_BLOCK = 256 * 1024


class OpenFile(io.FileIO):
    """A file to be sent. Closed by whoever sends it; if it goes on its own, its request ends then.

    :raise OSError: It can't be opened.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "rb")
        found = os.fstat(self.fileno())
        self.size = found.st_size
        #: Time of the last change, in nanoseconds.
        self.changed = found.st_mtime_ns
        #: The request that has ended when it's closed, and who is to know.
        self.ends: tuple[Exchange, Recorder] | None = None
        self._part = (0, 0)

    def be_sent(self, offset: int, count: int) -> None:
        """Go where the part begins that a server will send."""
        self.seek(offset)
        self._part = (offset, count)

    def close(self) -> None:
        """Close it, and have its request recorded."""
        ends, self.ends = self.ends, None
        try:
            if ends is not None:
                exchange, recorder = ends
                offset, count = self._part
                # Servers that read it stand where they stopped. gunicorn goes back to where it
                # began once the kernel has sent it all, and stands elsewhere if that failed.
                exchange.bytes = self.tell() - offset or count
                recorder.end(exchange)
        finally:
            super().close()


def send_file(
    start_response: StartResponse,
    status: str,
    headers: Headers,
    file: OpenFile,
    offset: int,
    count: int,
) -> Iterable[bytes]:
    """Answer with a part of a file, or all of it. Takes over the file."""
    start_response(status, headers)
    if count > _SMALL:
        return FileBody(file, offset, count)
    with file:
        file.seek(offset)
        return [_read(file, count)]


class FileBody:
    """A part of a file as a body.

    It can be read, but there are quicker ways to send it, which :mod:`.delivery` knows.
    """

    def __init__(self, file: OpenFile, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.count = count

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.offset)
        left = self.count
        while left:
            data = _read(self.file, min(left, _BLOCK))
            left -= len(data)
            yield data

    def wrapped(self, request: Request) -> Iterable[bytes]:
        """Return it in the server's own wrapper (PEP 3333, ``wsgi.file_wrapper``).

        That's for all that is left of a file. :attr:`Request.file` says so.
        """
        wrapper = request.environ.get("wsgi.file_wrapper")
        is_rest = self.offset + self.count == self.file.size
        if wrapper is None or not is_rest or _is_gevent(request):
            return self
        self.file.be_sent(self.offset, self.count)
        request.file = self.file
        body: Iterable[bytes] = wrapper(self.file, _BLOCK)
        return body

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _is_gevent(request: Request) -> bool:
    """Whether gunicorn's socket is gevent's, which sends files 8 kB at a time (26.9)."""
    return type(request.environ.get("gunicorn.socket")).__module__.startswith("gevent.")


def _read(file: OpenFile, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise OSError(f"{file.name!r} has become shorter")
    return data
