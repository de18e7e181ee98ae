"""Write an answer to disk while it passes by, and a compressed copy beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import tempfile
import typing as t
import zlib

logger = logging.getLogger("fluxsync.assets")

#: Where the content begins, so that it's sent like any other file.
HEAD_SIZE = 2048
#: How names of files begin that aren't finished.
TEMPORARY = ".new-"

_GZIP_LEVEL = 6
#: A copy that isn't smaller than that isn't kept.
_WORTHWHILE = 0.9


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known about one answer."""

    upstream: str
    path: str
    coding: str
    #: Times in seconds since the epoch.
    stored: float
    expires: float
    modified: float
    fields: list[list[str]]
    #: Seconds for which it had been kept elsewhere.
    age: int = 0
    #: Filled in when the content is known.
    length: int = 0
    etag: str = ""

    @property
    def is_text(self) -> bool:
        """Whether compression makes it smaller."""
        kind = next((value for name, value in self.fields if name.lower() == "content-type"), "")
        return any(word in kind for word in ("text/", "javascript", "json", "svg"))


class Writer:
    """Keeps one answer while it passes by; it's there when :meth:`finish` has returned.

    :param length: Bytes that the content will have.
    :param release: Called at the end with the path, and how many bytes are kept now.
    :raise OSError: It can't be written.
    """

    def __init__(
        self, path: str, entry: Entry, length: int, release: t.Callable[[str, int], None]
    ) -> None:
        self._path = path
        self._length = length
        self._release = release
        self._files = [_File(path, entry)]
        self._compressor: t.Any = None
        if entry.coding == "identity" and entry.is_text:
            gzipped = path.removesuffix(entry.coding) + "gzip"
            # 16 adds gzip's frame, which has no time in it.
            self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            try:
                self._files.append(_File(gzipped, dataclasses.replace(entry, coding="gzip")))
            except OSError:
                self._files[0].discard()
                raise

    def write(self, data: bytes) -> None:
        """Take the next bytes. Whatever goes wrong, the client's answer goes on."""
        try:
            for file, piece in zip(self._files, self._pieces(data), strict=False):
                file.write(piece)
        except OSError as e:
            logger.debug("answer is not kept", extra={"error": str(e)})
            self.discard()

    def finish(self) -> None:
        """Make it available, if it's complete."""
        files, self._files = self._files, []
        if not files or files[0].length != self._length:
            self._end(files)
            return
        written = 0
        try:
            if self._compressor is not None:
                files[1].write(self._compressor.flush())
                if files[1].length > self._length * _WORTHWHILE:
                    files.pop().discard()
            while files:
                written += files[-1].publish()
                files.pop()
        except OSError as e:
            logger.debug("answer is not kept", extra={"error": str(e)})
        self._end(files, written)

    def discard(self) -> None:
        """Forget it."""
        files, self._files = self._files, []
        if files:
            self._end(files)

    def _pieces(self, data: bytes) -> tuple[bytes, ...]:
        return (data,) if self._compressor is None else (data, self._compressor.compress(data))

    def _end(self, files: list[_File], written: int = 0) -> None:
        for file in files:
            file.discard()
        self._release(self._path, written)


class _File:
    """A kept answer that is being written, under another name.

    :raise OSError: It can't be.
    """

    def __init__(self, path: str, entry: Entry) -> None:
        self._path = path
        self._entry = entry
        self._digest = hashlib.sha256()
        self.length = 0
        handle, self._temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=os.path.dirname(path))
        self._file = open(handle, "wb")  # noqa: SIM115 # closed by publish() or discard()
        self._file.seek(HEAD_SIZE)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.length += len(data)

    def publish(self) -> int:
        """Give it its name; return its bytes."""
        etag = f'"{self._digest.hexdigest()[:24]}"'
        entry = dataclasses.replace(self._entry, length=self.length, etag=etag)
        head = json.dumps(dataclasses.asdict(entry)).encode()
        if len(head) > HEAD_SIZE:
            raise OSError("what is to be known about it is too long")
        self._file.seek(0)
        self._file.write(head.ljust(HEAD_SIZE))
        self._file.close()
        os.replace(self._temporary, self._path)
        return HEAD_SIZE + self.length

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()  # which may write, and fail again
        with contextlib.suppress(OSError):
            os.unlink(self._temporary)
