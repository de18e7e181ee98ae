from __future__ import annotations

import contextlib
import os
import string
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry.requestid import (
    IdentifiedBody,
    accept_request_id,
    current_request_id,
    using_request_id,
)


@pytest.mark.parametrize("claimed", ["1", "a.b-c_d~e:f/g+h=", "x" * 128])
def test_harmless_id_is_kept(claimed: str) -> None:
    assert accept_request_id(claimed) == claimed


@pytest.mark.parametrize("claimed", ["", "x" * 129, "a b", "a\n", "a\r\nb: c", "é", '"', "a,b"])
def test_other_id_is_replaced(claimed: str) -> None:
    first, second = accept_request_id(claimed), accept_request_id(claimed)

    assert claimed not in (first, second)
    assert first != second


@given(st.text())
def test_an_id_is_fit_for_logs_and_headers(claimed: str) -> None:
    request_id = accept_request_id(claimed)

    assert 1 <= len(request_id) <= 128
    assert set(request_id) <= {*string.ascii_letters, *string.digits, *"._~:/+=-"}


def test_ids_after_a_fork() -> None:
    """Workers of a preloaded application don't share ids."""
    ours = accept_request_id("")
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, " ".join(accept_request_id("") for _ in range(300)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = pipe.read().split()
    ids = [ours, *(accept_request_id("") for _ in range(300)), *theirs]

    assert len(set(ids)) == len(ids) == 601


def test_current_id() -> None:
    with using_request_id("outer"):
        with contextlib.suppress(KeyError), using_request_id("inner"):
            assert current_request_id.get() == "inner"
            raise KeyError
        with using_request_id("not\r\nharmless"):
            assert current_request_id.get() == ""
        assert current_request_id.get() == "outer"
    assert current_request_id.get() == ""


def test_id_while_a_body_is_made() -> None:
    """It's known to a generator until it's closed, and not to what comes after."""
    ended: list[str] = []

    def pieces() -> t.Iterator[bytes]:
        try:
            yield current_request_id.get().encode()
        finally:
            ended.append(current_request_id.get())

    with using_request_id("outer"):
        current_request_id.set("inner")
        body = IdentifiedBody(pieces(), "outer")
        assert list(body) == [b"inner"]
        body.close()
        assert current_request_id.get() == "outer"
    assert ended == ["inner"]


def test_body_that_fails_to_close() -> None:
    class Body:
        def __iter__(self) -> t.Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            raise OSError

    current_request_id.set("inner")
    with pytest.raises(OSError):  # noqa: PT011
        IdentifiedBody(Body(), "").close()
    assert current_request_id.get() == ""
