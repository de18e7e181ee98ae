from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import http_date

from fluxsync.assets.conditions import Answer, Validators, answer, date

SIZE = 1000
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
DATE, EARLIER, LATER = (http_date(MODIFIED + timedelta(seconds=seconds)) for seconds in (0, -1, 1))
VALIDATORS = Validators('"abc"', MODIFIED, DATE)
WHOLE = (200, 0, SIZE)


def ask(method: str = "GET", **fields: str) -> Answer:
    environ = {f"HTTP_{name.upper()}": value for name, value in fields.items()}
    return answer({"REQUEST_METHOD": method, **environ}, VALIDATORS, SIZE)


def brief(found: Answer) -> tuple[int, int, int]:
    return int(found.status[:3]), found.offset, found.length


def test_whole() -> None:
    assert ask() == ("200 OK", 0, SIZE, [("Content-Length", "1000")])


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"if_none_match": '"abc"'}, 304, id="tag"),
        pytest.param({"if_none_match": 'W/"abc"'}, 304, id="weak tag"),
        pytest.param({"if_none_match": '"x", W/"abc" ,"y"'}, 304, id="list"),
        pytest.param({"if_none_match": "*"}, 304, id="any"),
        pytest.param({"if_none_match": '"abcd"'}, 200, id="another tag"),
        pytest.param({"if_none_match": '"ABC"'}, 200, id="case of the tag"),
        pytest.param({"if_none_match": '"x, "abc'}, 200, id="quotes"),
        pytest.param({"if_none_match": ',"\x7f;=,"'}, 200, id="rubbish"),
        pytest.param({"if_none_match": ""}, 200, id="empty"),
        pytest.param({"if_none_match": '"x"', "if_modified_since": DATE}, 200, id="tag first"),
        pytest.param({"if_none_match": "\x00", "if_modified_since": DATE}, 200, id="bad tag first"),
        pytest.param({"if_modified_since": DATE}, 304, id="date"),
        pytest.param({"if_modified_since": LATER}, 304, id="later date"),
        pytest.param({"if_modified_since": EARLIER}, 200, id="earlier date"),
        pytest.param({"if_modified_since": "yesterday"}, 200, id="no date"),
        pytest.param({"if_modified_since": f"{DATE[:-3]}+{10**20}"}, 200, id="far zone"),
        pytest.param({"if_modified_since": f"{DATE[:12]}{10**20}{DATE[16:]}"}, 200, id="far year"),
        pytest.param({"if_match": '"abc"'}, 200, id="must be it"),
        pytest.param({"if_match": "*"}, 200, id="must be anything"),
        pytest.param({"if_match": 'W/"abc"'}, 412, id="weak tag is too weak"),
        pytest.param({"if_match": '"x"'}, 412, id="must be another"),
        pytest.param({"if_match": '"x"', "if_none_match": '"abc"'}, 412, id="both"),
        pytest.param({"if_match": '"abc"', "if_unmodified_since": EARLIER}, 200, id="tag only"),
        pytest.param({"if_unmodified_since": DATE}, 200, id="unmodified"),
        pytest.param({"if_unmodified_since": EARLIER}, 412, id="modified"),
        pytest.param({"if_unmodified_since": "x"}, 200, id="unmodified since never"),
        pytest.param({"if_unmodified_since": f"{DATE[:-3]}-{10**20}"}, 200, id="no zone"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions(method: str, fields: dict[str, str], status: int) -> None:
    found = ask(method, **fields)
    assert brief(found) == {200: WHOLE, 304: (304, 0, 0), 412: (412, 0, 0)}[status]
    assert found.headers == {200: [("Content-Length", "1000")], 304: []}.get(
        status, [("Content-Length", "0")]
    )


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        pytest.param("bytes=0-0", 0, 0, id="first byte"),
        pytest.param("bytes=10-19", 10, 19, id="middle"),
        pytest.param("bytes=990-", 990, 999, id="open"),
        pytest.param("bytes=990-5000", 990, 999, id="over the end"),
        pytest.param("bytes=-10", 990, 999, id="suffix"),
        pytest.param("bytes=-5000", 0, 999, id="suffix over the beginning"),
        pytest.param("bytes=0-", 0, 999, id="all"),
        pytest.param("BYTES=1-2", 1, 2, id="case"),
    ],
)
def test_range(field: str, first: int, last: int) -> None:
    count = last - first + 1
    assert ask(range=field) == (
        "206 Partial Content",
        first,
        count,
        [("Content-Range", f"bytes {first}-{last}/1000"), ("Content-Length", str(count))],
    )


@pytest.mark.parametrize("field", ["bytes=1000-", "bytes=1000-1001", "bytes=99999999999999999999-"])
def test_range_beyond_the_end(field: str) -> None:
    headers = [("Content-Range", "bytes */1000"), ("Content-Length", "0")]
    assert ask(range=field) == ("416 Range Not Satisfiable", 0, 0, headers)


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("bytes=0-1,4-5", id="several"),
        pytest.param("bytes=" + "0-0," * 2000, id="very many"),
        pytest.param("bytes=" + "9" * 8000 + "-", id="very large"),
        pytest.param("bytes=5-4", id="backwards"),
        pytest.param("bytes=-0", id="nothing"),
        pytest.param("bytes=--1", id="minus"),
        pytest.param("bytes=+1-2", id="plus"),
        pytest.param("bytes=1_0-20", id="underscore"),
        pytest.param("bytes=\N{SUPERSCRIPT TWO}-5", id="superscript"),
        pytest.param("bytes=a-b", id="letters"),
        pytest.param("bytes=", id="empty"),
        pytest.param("bytes", id="no value"),
        pytest.param("lines=1-2", id="another unit"),
        pytest.param("0-1", id="no unit"),
    ],
)
def test_range_to_be_ignored(field: str) -> None:
    assert brief(ask(range=field)) == WHOLE


@pytest.mark.parametrize(
    ("condition", "is_part"),
    [
        ('"abc"', True),
        (DATE, True),
        ('W/"abc"', False),
        ('"x"', False),
        (EARLIER, False),
        (LATER, False),
        ("*", False),
        ("", False),
    ],
)
def test_if_range(condition: str, is_part: bool) -> None:
    assert brief(ask(range="bytes=0-1", if_range=condition)) == ((206, 0, 2) if is_part else WHOLE)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (DATE, MODIFIED),
        (f"{DATE[:-3]}+0100", MODIFIED - timedelta(hours=1)),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
        ("", None),
    ],
)
def test_date(field: str, expected: datetime | None) -> None:
    """In UTC, in which one may be later than dates can be."""
    assert date(field) == expected


def test_range_needs_get_and_a_changed_file() -> None:
    assert brief(ask("HEAD", range="bytes=0-1")) == WHOLE
    assert brief(ask(range="bytes=0-1", if_none_match='"abc"')) == (304, 0, 0)
    assert brief(ask(range="bytes=0-1", if_none_match='"x"')) == (206, 0, 2)
    assert brief(ask(if_range='"abc"')) == WHOLE


NUMBER = st.integers(min_value=0, max_value=2 * SIZE) | st.just("")
FIELD = st.text(alphabet='bytes=-0123456789, "*W/abc\x00é', max_size=30)


@given(first=NUMBER, last=NUMBER)
def test_ranges_are_within(first: t.Any, last: t.Any) -> None:
    status, offset, count = brief(ask(range=f"bytes={first}-{last}"))
    assert status in (200, 206, 416)
    assert 0 <= offset <= offset + count <= SIZE
    if status == 206:
        assert count > 0
        if first != "":
            assert offset == first


@given(fields=st.dictionaries(st.sampled_from(["range", "if_range", "if_match"]), FIELD))
def test_rubbish(fields: dict[str, str]) -> None:
    status, offset, count = brief(ask(**fields))
    assert status in (200, 206, 412, 416)
    assert 0 <= offset <= offset + count <= SIZE
