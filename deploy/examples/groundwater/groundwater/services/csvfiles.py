"""Readings as CSV files: in, all or nothing, and out."""

from __future__ import annotations

import csv
import io
import typing as t
from collections.abc import Iterable, Iterator
from datetime import date

import pydantic
import sqlalchemy as sa
from sqlalchemy.orm import Session

from .. import config, database
from ..errors import Refused
from ..models import Reading, Well
from ..schemas import Day, Level, Note

COLUMNS = ("well", "taken_on", "level_m", "note")
REPORTED = 20


class Row(pydantic.BaseModel):
    well: str
    taken_on: Day
    level_m: Level
    note: Note = ""


#: By well and day: the line, and what it says.
Values = dict[tuple[int, date], tuple[int, Row]]


def import_readings(file: t.BinaryIO, by: str) -> int:
    """Keep all readings of a file, and return how many; or none of them, and say why.

    :raise Refused: It's no CSV file in UTF-8 with our columns, is empty or too long; or, with the
        lines, values are wrong, wells unknown, or days taken.
    """
    with database.session() as session:
        wells = {name: id for name, id in session.execute(sa.select(Well.name, Well.id))}
    values: Values = {}
    wrong: list[tuple[int, str]] = []
    for line, cells in _rows(file):
        if line > config.MAX_UPLOAD_ROWS + 1:
            raise Refused(f"The file has more than {config.MAX_UPLOAD_ROWS:,} rows.")
        try:
            row = Row.model_validate(cells)
            key = (wells[row.well.strip()], row.taken_on)
        except pydantic.ValidationError as e:
            wrong.append((line, "; ".join(f"{x['loc'][0]}: {x['msg']}" for x in e.errors())))
        except KeyError:
            wrong.append((line, f"well: there is no well {row.well!r}"))
        else:
            if key in values:
                wrong.append((line, "the same well and day as in a line before"))
            values[key] = (line, row)
    if not values and not wrong:
        raise Refused("The file has no rows.")
    try:
        with database.session(writes=True) as session:
            wrong += _taken(session, values)
            if wrong:
                message = f"{len(wrong)} of the rows are wrong. Nothing was imported."
                raise Refused(message, sorted(wrong)[:REPORTED])
            common = {"changed_by": by, "version": 1}
            session.execute(
                sa.insert(Reading),
                [
                    {"well_id": well, "taken_on": day, "level_m": row.level_m, "note": row.note}
                    | common
                    for (well, day), (_, row) in values.items()
                ],
            )
    except sa.exc.IntegrityError:
        raise Refused("Somebody has just added some of these readings. Import again.") from None
    return len(values)


def _taken(session: Session, values: Values) -> Iterator[tuple[int, str]]:
    """Yield the lines whose days are taken in the database."""
    # Not asked for one by one: there can be more than a statement can have parameters.
    days = [day for _, day in values] or [date.min]
    there = sa.select(Reading.well_id, Reading.taken_on)
    there = there.where(Reading.taken_on.between(min(days), max(days)))
    for well_id, day in session.execute(there):
        if (well_id, day) in values:
            yield values[well_id, day][0], "there is a reading of this day already"


def _rows(file: t.BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        if sorted(header) not in (sorted(COLUMNS), sorted(COLUMNS[:3])):
            raise Refused(f"The first line must name the columns: {','.join(COLUMNS)}.")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue  # as spreadsheets leave them at the end
            if len(cells) != len(header):
                raise Refused(
                    f"Line {reader.line_num} has {len(cells)} values instead of {len(header)}."
                )
            yield reader.line_num, dict(zip(header, map(_unguarded, cells), strict=True))
    except UnicodeDecodeError:
        raise Refused(
            "The file isn't text in UTF-8. Is it a spreadsheet? Save it as CSV."
        ) from None
    except csv.Error as e:
        raise Refused(f"Line {reader.line_num} isn't CSV: {e}.") from None
    finally:
        text.detach()  # or it would close the file


FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(cell: str) -> str:
    """Keep a spreadsheet from running a text as a formula, by an apostrophe before it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell


def write_csv(header: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a CSV file in pieces. Texts are guarded; numbers and days are as they are."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row in rows:
        writer.writerow(guarded(c) if isinstance(c, str) else c for c in row)
        if buffer.tell() > 32_768:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
