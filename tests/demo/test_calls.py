from __future__ import annotations

import typing as t

import pytest
import requests

from fluxsync.demo.pages.calls import UNREACHABLE, CallFailed, answer, refusal


def response(status: int, content: bytes) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made._content = content
    return made


def test_answer() -> None:
    assert answer(lambda: response(200, b'{"a": 1}')) == {"a": 1}


def test_no_answer() -> None:
    def call() -> t.NoReturn:
        raise requests.ConnectTimeout("to 127.0.0.1")

    with pytest.raises(CallFailed) as caught:
        answer(call)

    assert str(caught.value) == UNREACHABLE


def test_answer_of_something_else() -> None:
    """A proxy that's in trouble answers with a page."""
    with pytest.raises(CallFailed, match="cannot be reached"):
        answer(lambda: response(502, b"<h1>Bad Gateway</h1>"))


def test_refused() -> None:
    with pytest.raises(CallFailed) as caught:
        answer(lambda: response(404, b'{"detail": "There is no station."}'))

    assert str(caught.value) == "There is no station."
    assert caught.value.fields == {}


def test_fields() -> None:
    failure = refusal(422, {"errors": [{"loc": ["note"], "msg": "Too short"}]})

    assert str(failure) == "The API did not accept this."
    assert failure.fields == {"note": "Too short"}


def test_no_explanation() -> None:
    assert str(refusal(500, {})) == "The API answered with an error (500)."
