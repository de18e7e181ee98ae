from __future__ import annotations

import typing as t

import pytest

from fluxsync.telemetry.wrapping import WrappingBody, close_body


class Outer(WrappingBody):
    def __init__(self, body: t.Iterable[bytes], calls: list[str]) -> None:
        super().__init__(body)
        self._calls = calls

    def _end(self) -> None:
        self._calls.append("outer")


class Inner(list[bytes]):
    def __init__(self, calls: list[str], error: Exception | None = None) -> None:
        super().__init__([b"a", b"b"])
        self._calls = calls
        self._error = error

    def close(self) -> None:
        self._calls.append("inner")
        if self._error is not None:
            raise self._error


def test_both_are_closed() -> None:
    calls: list[str] = []
    body = Outer(Inner(calls), calls)
    assert list(body) == [b"a", b"b"]
    body.close()

    assert calls == ["inner", "outer"]


def test_a_body_that_fails_to_close() -> None:
    """What is due then is done all the same, and the server learns of the failure."""
    calls: list[str] = []
    with pytest.raises(RuntimeError, match="broken"):
        Outer(Inner(calls, RuntimeError("broken")), calls).close()

    assert calls == ["inner", "outer"]


def test_bodies_without_close() -> None:
    """A list, say (PEP 3333)."""
    calls: list[str] = []
    Outer([b"a"], calls).close()
    close_body([b"a"])

    assert calls == ["outer"]
