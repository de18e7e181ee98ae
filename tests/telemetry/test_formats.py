from __future__ import annotations

import datetime
import json
import logging
import re
import sys
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry.formats import (
    JSON,
    TEXT,
    JsonFormatter,
    LineFormatter,
    RedactingFormatter,
    make_formatter,
)
from fluxsync.telemetry.requestid import using_request_id

SECRET = "S3CR3T-of-mine"


class Hostile:
    """An object that can't be shown."""

    def __str__(self) -> str:
        raise ValueError(f"password={SECRET}")

    __repr__ = __str__


def record(message: str = "hello", *args: object, **facts: object) -> logging.LogRecord:
    made = logging.LogRecord("fluxsync.x", logging.INFO, "x.py", 1, message, args, None)
    made.__dict__.update(facts)
    return made


def failure(error: Exception) -> logging.LogRecord:
    """Return the record of an exception with a cause."""
    made = record("it failed")
    try:
        try:
            raise LookupError(f"token={SECRET}")
        except LookupError as cause:
            raise error from cause
    except type(error):
        made.exc_info = sys.exc_info()
    return made


def line(message: str = "hello", **facts: object) -> str:
    return LineFormatter().format(record(message, **facts))


def content(made: logging.LogRecord) -> dict[str, t.Any]:
    """Return what a JSON line says; it's one."""
    text = JsonFormatter().format(made)
    assert text.isascii()
    assert text.isprintable()
    return t.cast("dict[str, t.Any]", json.loads(text))


def test_line() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO fluxsync\.x: hello", line())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a", " fact=a", id="text"),
        pytest.param(0, " fact=0", id="number"),
        pytest.param(0.12345, " fact=0.123", id="seconds"),
        pytest.param(None, "", id="nothing"),
        pytest.param("", "", id="empty"),
        pytest.param("a b", ' fact="a b"', id="space"),
        pytest.param('a"b', ' fact="a\\"b"', id="quote"),
        pytest.param("a\nb", ' fact="a\\nb"', id="line break"),
        pytest.param(["a", 1], ' fact="[\\"a\\", 1]"', id="list"),
    ],
)
def test_fact(value: object, shown: str) -> None:
    assert line(fact=value).partition("hello")[2] == shown


@given(st.text(), st.text())
def test_one_line_whatever_is_in_it(message: str, value: str) -> None:
    assert "\n" not in line(message.replace("\n", "\r"), fact=value, other=1)
    assert line("a", fact=value).isprintable()
    assert content(record("%s", message, fact=value, error=value))["level"] == "INFO"


def test_message_with_line_breaks_is_one_line() -> None:
    text = line("a\n2026-01-01T00:00:00.000Z INFO fluxsync.access: GET / 200\x1b[31m")

    assert text.endswith(r"a\n2026-01-01T00:00:00.000Z INFO fluxsync.access: GET / 200\x1b[31m")


def test_time_is_utc() -> None:
    at = datetime.datetime(2026, 3, 4, 5, 6, 7, 890_000, datetime.timezone.utc)

    for created in (at.timestamp(), at.timestamp() + 1):
        made = record(created=created)
        shown = content(made)["time"]
        assert shown == LineFormatter().format(made).split()[0]
        assert datetime.datetime.fromisoformat(shown.replace("Z", "+00:00")).timestamp() == (
            pytest.approx(created, abs=0.001)
        )


def test_json_has_types() -> None:
    found = content(
        record(
            "%d of %s",
            1,
            "é\n\u2028",
            number=7,
            seconds=0.12345678,
            flag=True,
            nothing=None,
            items=("a", {"b": [1, None]}),
            raw=b"\xff",
            infinite=float("inf"),
            huge=10**400,
            other=datetime.date(2026, 1, 2),
            status=200,
            error="",
        )
    )

    assert list(found)[:4] == ["time", "level", "logger", "message"]
    del found["time"]
    assert found == {
        "level": "INFO",
        "logger": "fluxsync.x",
        "message": "1 of é\n\u2028",
        "number": 7,
        "seconds": 0.12345678,
        "flag": True,
        "nothing": None,
        "items": ["a", {"b": [1, None]}],
        "raw": "\ufffd",
        "infinite": "inf",
        "huge": "1" + "0" * 99,
        "other": "2026-01-02",
        "status": 200,
    }


def test_names_that_are_taken() -> None:
    found = content(record("a", level="mine", exception="x", time=1))

    assert (found["level"], found["level_"]) == ("INFO", "mine")
    assert (found["exception_"], found["time_"]) == ("x", 1)


def test_request_id_is_the_current_one() -> None:
    with using_request_id("some-id"):
        assert content(record())["request_id"] == "some-id"
        assert content(record(request_id="own"))["request_id"] == "own"
        assert line().endswith(" request_id=some-id")
    assert "request_id" not in content(record())
    assert "request_id" not in line()


def test_exception_in_json() -> None:
    class Failure(Exception):
        pass

    found = content(failure(Failure(f"for password={SECRET}\nand more")))["exception"]

    name = f"{__name__}.test_exception_in_json.<locals>.Failure"
    assert (found["type"], found["message"]) == (name, "for password=***\nand more")
    assert found["stack"].startswith("Traceback (most recent call last):\n")
    assert "LookupError: token=***\n" in found["stack"]
    assert "direct cause" in found["stack"]
    assert content(failure(ValueError("x")))["exception"]["type"] == "ValueError"


def test_exception_in_text() -> None:
    """Its lines begin with spaces: what it says can't look like another record."""
    forged = "2026-01-01T00:00:00.000Z INFO fluxsync.access: GET /"
    text = LineFormatter().format(failure(ValueError(f"password={SECRET}\n{forged}")))

    first, *below = text.split("\n")
    assert first.endswith(" INFO fluxsync.x: it failed")
    assert below[0] == "  Traceback (most recent call last):"
    assert f"  {forged}" in below
    assert all(below.startswith("  ") for below in below)
    assert SECRET not in text


def test_traceback_in_a_message_is_readable() -> None:
    """As Werkzeug logs them."""
    text = line("Error on request:\nTraceback (most recent call last):\n  File\nValueError: x")

    assert text.split("\n")[1:] == [
        "  Traceback (most recent call last):",
        "    File",
        "  ValueError: x",
    ]


def test_stack_is_kept() -> None:
    made = record("a", stack_info=f"Stack (most recent call last):\n  f(token='{SECRET}')")

    assert content(made)["stack_info"] == "Stack (most recent call last):\n  f(token='***')"
    assert "\n  Stack (most recent call last):\n    f(token='***')" in LineFormatter().format(made)


def test_streamlit_comes_with_its_replica() -> None:
    made = record("a=1 b", replica="r1")
    made.name = "fluxsync.streamlit"

    assert LineFormatter().format(made).endswith(" fluxsync.streamlit: r1 | a=1 b")
    assert (content(made)["message"], content(made)["replica"]) == ("a=1 b", "r1")


@pytest.mark.parametrize("name", [TEXT, JSON])
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(record(f"password={SECRET}"), id="message"),
        pytest.param(record("%s", f"Cookie: a={SECRET}; b={SECRET}"), id="argument"),
        pytest.param(record("%d", f"token={SECRET}"), id="argument that doesn't fit"),
        pytest.param(record("%s %s", Hostile()), id="argument that can't be shown"),
        pytest.param(record("a", error=f"pg://u:{SECRET}@h/d"), id="fact"),
        pytest.param(record("a", path=f"/?code={SECRET}"), id="path"),
        pytest.param(record("a", password=SECRET), id="fact of such a name"),
        pytest.param(record("a", code=SECRET.encode(), token=SECRET.encode()), id="bytes"),
        pytest.param(record("a", client=f"token={SECRET}"), id="fact that is harmless as a rule"),
        pytest.param(record("a", items=[{"api_key": SECRET}]), id="deep down"),
        pytest.param(record("a", items={"headers": [("Cookie", SECRET)]}), id="pairs"),
        pytest.param(record("a", thing=Hostile()), id="fact that can't be shown"),
        pytest.param(failure(ValueError(f"password={SECRET}")), id="exception"),
        pytest.param(failure(ValueError(Hostile())), id="exception that can't be shown"),
    ],
)
def test_no_secret(name: str, made: logging.LogRecord) -> None:
    assert SECRET not in make_formatter(name).format(made)


def test_endless_value() -> None:
    """It ends where it's too deep."""
    items: list[object] = []
    items.append(items)

    assert "[[[[" in str(content(record("a", items=items))["items"])


def test_access_lines_are_not_redacted_twice() -> None:
    """Their targets are when they're made; what went wrong is only known here."""
    made = record("GET /?a=1&token=*** 500", error=f"token={SECRET}", client="1.2.3.4")
    made.name = "fluxsync.access"

    assert (
        LineFormatter()
        .format(made)
        .endswith("GET /?a=1&token=*** 500 error=token=*** client=1.2.3.4")
    )


def test_others_keep_their_format() -> None:
    formatter = RedactingFormatter(logging.Formatter("[%(levelname)s] %(message)s"))

    assert formatter.format(record("GET /?token=x")) == "[INFO] GET /?token=***"
    assert RedactingFormatter(None).format(record("token=x")) == "token=***"
