"""What makes frontend files smaller, as far as this Python has it."""

from __future__ import annotations

import functools
import gzip
import importlib
import typing as t

#: Content codings that a browser may get, best first.
CODINGS = ("br", "zstd", "gzip")


class Encoder(t.NamedTuple):
    """A content coding at one level of effort."""

    coding: str
    level: int
    compress: t.Callable[[bytes], bytes]


def encoders(*, best: bool) -> list[Encoder]:
    """Return gzip, and one that is better if there's a module for it: Brotli or Zstandard.

    Browsers that take Zstandard take Brotli too, and it's smaller.

    :param best: As small as can be. It takes half a minute for all of Streamlit's files, and
        less than a second otherwise, for a tenth more bytes.
    """
    found = [Encoder("gzip", level := 9 if best else 6, functools.partial(_gzip, level))]
    brotli = _module("brotli", "brotlicffi")
    if brotli is not None:
        level = 11 if best else 5
        found.append(Encoder("br", level, functools.partial(brotli.compress, quality=level)))
        return found
    # Levels over 19 need a larger window than browsers have (RFC 9659).
    level = 19 if best else 12
    zstd = _module("compression.zstd")
    if zstd is not None:
        found.append(Encoder("zstd", level, functools.partial(zstd.compress, level=level)))
        return found
    zstandard = _module("zstandard")
    if zstandard is not None:
        found.append(Encoder("zstd", level, zstandard.ZstdCompressor(level=level).compress))
    return found


def _gzip(level: int, data: bytes) -> bytes:
    # Without the time, the same on all machines.
    return gzip.compress(data, level, mtime=0)


def _module(*names: str) -> t.Any:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
