from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import closecodes
from fluxsync.sansio.closecodes import Close

REASONS = st.text(st.characters(exclude_categories=["Cs"]))
CODES = st.integers(1000, 4999).filter(lambda code: code not in (1005, 1006, 1015))


@given(CODES, REASONS)
def test_decode_undoes_encode(code: int, reason: str) -> None:
    payload = closecodes.encode(Close(code, reason))

    decoded = closecodes.decode(payload)
    assert len(payload) <= 125
    assert decoded.code == code
    assert reason.startswith(decoded.reason)
    assert decoded.reason == reason or len(payload) > 125 - 4


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        pytest.param("x" * 123, "x" * 123, id="just fits"),
        pytest.param("x" * 124, "x" * 123, id="cut"),
        pytest.param("é" * 62, "é" * 61, id="cut between two characters"),
    ],
)
def test_long_reason(reason: str, sent: str) -> None:
    assert closecodes.encode(Close(1000, reason))[2:].decode() == sent


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 1015, 5000, 70000])
def test_codes_that_are_never_sent(code: int) -> None:
    with pytest.raises(ValueError, match=f"{code} is never sent"):
        closecodes.encode(Close(code))


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        pytest.param(b"", Close(1005), id="empty"),
        pytest.param(b"\x03", Close(1005), id="half a code"),
        pytest.param(b"\x03\xe8", Close(1000), id="no reason"),
        pytest.param(b"\x03\xe9bye", Close(1001, "bye"), id="reason"),
        pytest.param(b"\x03\xe9\xff", Close(1001, "\ufffd"), id="reason that isn't UTF-8"),
    ],
)
def test_decode(payload: bytes, close: Close) -> None:
    assert closecodes.decode(payload) == close


def test_names() -> None:
    """They are IANA's."""
    assert closecodes.NAMES == {
        1000: "normal closure",
        1001: "going away",
        1002: "protocol error",
        1005: "no status received",
        1006: "abnormal closure",
        1009: "message too big",
        1011: "internal error",
        1012: "service restart",
        1013: "try again later",
    }


@pytest.mark.parametrize(
    ("close", "text"),
    [
        pytest.param(Close(1001), "1001 (going away)", id="known"),
        pytest.param(Close(4000, "bye"), "4000 (application defined) bye", id="reason"),
    ],
)
def test_str(close: Close, text: str) -> None:
    assert str(close) == text
