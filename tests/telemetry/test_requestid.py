from __future__ import annotations

import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry.requestid import accept_request_id


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
