from __future__ import annotations

import gzip
import importlib
import sys
import typing as t

import pytest

from fluxsync.assets import encoders

DATA = b"export const number = 1;\n" * 1000


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)


BROTLI = ("brotli", "brotlicffi")
ZSTD = ("compression.zstd", "zstandard")


@pytest.mark.parametrize("best", [True, False])
def test_gzip(best: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """There's always that, and the same each time."""
    hide(monkeypatch, *BROTLI, *ZSTD)
    (encoder,) = encoders.encoders(best=best)
    assert (encoder.coding, encoder.level) == ("gzip", 9 if best else 6)
    encoded = encoder.compress(DATA)
    assert gzip.decompress(encoded) == DATA
    assert encoded[4:8] == bytes(4)  # no time


@pytest.mark.parametrize("best", [True, False])
def test_brotli(best: bool) -> None:
    """Zstandard isn't needed then."""
    brotli = pytest.importorskip("brotli")
    plain, encoder = encoders.encoders(best=best)
    assert (plain.coding, encoder.coding, encoder.level) == ("gzip", "br", 11 if best else 5)
    assert brotli.decompress(encoder.compress(DATA)) == DATA


@pytest.mark.parametrize("best", [True, False])
@pytest.mark.parametrize("module", ZSTD)
def test_zstd(module: str, best: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(module)
    hide(monkeypatch, *BROTLI, *(name for name in ZSTD if name != module))
    _, encoder = encoders.encoders(best=best)
    encoded = encoder.compress(DATA)
    assert (encoder.coding, encoder.level) == ("zstd", 19 if best else 12)
    assert encoded[:4] == b"\x28\xb5\x2f\xfd"
    assert len(encoded) < len(DATA) / 10
    decompress: t.Any = importlib.import_module(module)
    if module == "zstandard":
        decompress = decompress.ZstdDecompressor()
    assert decompress.decompress(encoded) == DATA


def test_names() -> None:
    assert {encoder.coding for encoder in encoders.encoders(best=False)} <= set(encoders.CODINGS)
