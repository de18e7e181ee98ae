"""Files up and down: what is wrong is told, and nothing is kept of it."""

from __future__ import annotations

import io
import typing as t

import pytest

from groundwater import config
from groundwater.models import Reading

from .conftest import Person, count


def upload(person: Person, content: bytes) -> tuple[int, dict[str, t.Any]]:
    answer = person.send("POST", "/readings/import", input_stream=io.BytesIO(content))
    return answer.status_code, answer.get_json()


HEADER = b"well,taken_on,level_m,note\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "first line must name the columns"),
        (HEADER, "no rows"),
        (b"a,b\n1,2\n", "first line must name the columns"),
        (b"PK\x03\x04\xff\xfe", "isn't text in UTF-8"),
        (HEADER + b"Abbey Farm,2024-01-01\n", "Line 2 has 2 values instead of 4"),
        (HEADER + b'Abbey Farm,2024-01-01,1,"x', "isn't CSV"),
        (HEADER + b"Abbey Farm,2024-01-01,1,\xff\n", "isn't text in UTF-8"),
        (HEADER + b"Abbey Farm,2024-01-01,1," + b"x" * 200_000, "field larger than"),
    ],
)
def test_malformed_files(editor: Person, content: bytes, message: str) -> None:
    status, problem = upload(editor, content)
    assert status == 422
    assert message in problem["detail"]


def test_import_is_all_or_nothing(editor: Person) -> None:
    good = HEADER + b"Abbey Farm,2024-01-01,81.2,\nBirch Lane,2024-01-01,70,'=x\n\n"
    bad = b"Abbey Farm,2024-02-01,NaN,\nNowhere,2024-01-01,1,\nAbbey Farm,2024-01-01,2,\n"
    status, problem = upload(editor, good + bad)
    assert status == 422
    assert [error["loc"] for error in problem["errors"]] == [["line", n] for n in (5, 6, 7)]
    assert count(Reading) == 0
    assert upload(editor, b"\xef\xbb\xbf" + good) == (200, {"rows": 2})
    status, problem = upload(editor, good)
    assert len(problem["errors"]) == 2
    exported = editor.send("GET", "/readings.csv")
    assert "'=x" in exported.text  # what a spreadsheet must not run
    assert exported.text.splitlines()[1] == "Abbey Farm,2024-01-01,81.2,"
    assert editor.send("GET", "/readings").get_json()[0]["note"] == "=x"


def test_large_files(editor: Person) -> None:
    days = [
        f"{y}-{m:02}-{d:02}" for y in range(1900, 2024) for m in range(1, 13) for d in range(1, 29)
    ]
    rows = [f"{well},{day},{1.5}\n" for day in days for well in ("Abbey Farm", "Birch Lane")]
    header = "well,taken_on,level_m\n"
    too_many = (header + "".join(rows) + "Abbey Farm,2024-01-01,1\n" * 20_000).encode()
    assert upload(editor, too_many)[1]["detail"] == "The file has more than 100,000 rows."
    assert upload(editor, (header + "".join(rows)).encode()) == (200, {"rows": len(rows)})
    assert len(editor.send("GET", "/levels").get_json()) == 124 * 12 * 2
    status, problem = upload(editor, b"x" * (config.MAX_UPLOAD_BYTES + 1))
    assert (status, problem["detail"]) == (413, "The file is larger than 10 MB.")
