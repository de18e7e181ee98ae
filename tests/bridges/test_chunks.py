"""Reading chunks from uWSGI; tests/hosting/test_uwsgi.py does it under the real one."""

from __future__ import annotations

import io
import sys
import types
import typing as t

import pytest

from fluxsync.bridges.chunks import provide_input


def environ(monkeypatch: pytest.MonkeyPatch, *chunks: bytes) -> dict[str, t.Any]:
    """Return an environ of uWSGI's whose body comes like this."""
    uwsgi = types.ModuleType("uwsgi")
    left = iter(chunks)
    uwsgi.chunked_read = lambda: next(left, b"")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    return {
        "uwsgi.version": b"2.0",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(),
    }


@pytest.mark.parametrize("size", [1, 4, 100])
def test_pieces_are_the_callers(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    values = environ(monkeypatch, b"hello", b" ", b"x" * 70_000)
    provide_input(values)

    stream = values["wsgi.input"]
    assert values["wsgi.input_terminated"] is True
    read = list(iter(lambda: stream.read(size), b""))
    assert b"".join(read) == b"hello " + b"x" * 70_000
    assert {len(piece) for piece in read[:-1]} == {size}


def test_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uwsgi.version", "HTTP_TRANSFER_ENCODING"):
        values = environ(monkeypatch, b"hello")
        del values[name]
        before = dict(values)
        provide_input(values)
        assert values == before


def test_uwsgi_that_does_it_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {**environ(monkeypatch, b"hello"), "wsgi.input_terminated": True}
    before = dict(values)
    provide_input(values)

    assert values == before
