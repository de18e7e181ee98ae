from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.framing import Framing, request_framing, response_framing


@pytest.mark.parametrize(
    ("length", "encoding", "expected", "has_body"),
    [
        pytest.param("", "", Framing(), False, id="no body"),
        pytest.param("0", "", Framing(length=0), False, id="empty body"),
        pytest.param("007", "", Framing(length=7), True, id="length"),
        pytest.param("", "chunked", Framing(chunked=True), True, id="chunked"),
        pytest.param("5", " Chunked ", Framing(chunked=True), True, id="both"),
    ],
)
def test_request_framing(length: str, encoding: str, expected: Framing, has_body: bool) -> None:
    framing = request_framing(length, encoding, input_terminated=True)

    assert framing == expected
    assert framing.has_body is has_body


def test_chunked_body_that_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="does not pass chunked"):
        request_framing("", "chunked", input_terminated=False)


@pytest.mark.parametrize("coding", ["gzip, chunked", "chunked, chunked", "identity", "xchunked"])
def test_coding_that_cannot_be_passed_on(coding: str) -> None:
    """Without the field, the body would be something else than it was."""
    with pytest.raises(ValueError, match="is not supported"):
        request_framing("", coding, input_terminated=True)


@pytest.mark.parametrize(
    ("length", "encoding", "expected"),
    [
        pytest.param("", "", Framing(), id="until the connection ends"),
        pytest.param("0", "", Framing(length=0), id="empty"),
        pytest.param("9" * 18, "", Framing(length=10**18 - 1), id="largest"),
        pytest.param("", "Chunked", Framing(chunked=True), id="chunked"),
        pytest.param("5", "chunked", Framing(chunked=True), id="both"),
    ],
)
def test_response_framing(length: str, encoding: str, expected: Framing) -> None:
    assert response_framing(length, encoding) == expected


@pytest.mark.parametrize(
    ("length", "encoding"),
    [
        pytest.param("-5", "", id="negative"),
        pytest.param("+5", "", id="sign"),
        pytest.param("1_0", "", id="underscore"),
        pytest.param("5, 5", "", id="list"),
        pytest.param("1" + "0" * 18, "", id="too large"),
        pytest.param("5, 7", "", id="two lengths"),
        pytest.param("", "gzip, chunked", id="coding"),
        pytest.param("", "chunked, gzip", id="two"),
    ],
)
def test_response_without_a_certain_end(length: str, encoding: str) -> None:
    with pytest.raises(ValueError, match=r"Content-Length|transfer coding"):
        response_framing(length, encoding)


@pytest.mark.parametrize(
    "length", ["-1", "+1", "1.0", "1, 1", " 1", "0x1", "1_0", "\xb2", "\u0661"]
)
def test_length_that_is_none(length: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        request_framing(length, "", input_terminated=True)


@given(st.text())
def test_any_length_is_one_or_refused(text: str) -> None:
    """Whoever reads it after us has to read the same number."""
    try:
        length = request_framing(text, "", input_terminated=True).length
    except ValueError:
        return
    assert length is None or str(length) == (text.lstrip("0") or "0")
