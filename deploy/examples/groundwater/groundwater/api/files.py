"""Readings as files: a CSV file up, all or nothing, and down."""

from __future__ import annotations

import tempfile
import typing as t

import flask

from .. import config, schemas
from ..models import Role
from ..security import current_user, protected_router
from ..services import csvfiles, readings

files = protected_router("files", read=Role.VIEWER, write=Role.EDITOR)
routers = (files,)


@files.post("/readings/import")
def import_readings() -> schemas.Imported:
    """Import a CSV file, which is the body: well,taken_on,level_m,note."""
    with tempfile.TemporaryFile() as file:
        # All of it first: a slow upload must not keep the database waiting.
        size = 0
        while piece := flask.request.stream.read(65_536):
            size += len(piece)
            if size > config.MAX_UPLOAD_BYTES:
                flask.abort(413, f"The file is larger than {config.MAX_UPLOAD_BYTES // 2**20} MB.")
            file.write(piece)
        file.seek(0)
        return schemas.Imported(rows=csvfiles.import_readings(file, current_user().name))


@files.get("/readings.csv")
def export_readings(query: schemas.Selection) -> flask.Response:
    """Return readings as a CSV file, which the import accepts."""
    rows = (
        (row.well.name, row.taken_on, row.level_m, row.note) for row in readings.all_readings(query)
    )
    return _csv("readings.csv", csvfiles.write_csv(csvfiles.COLUMNS, rows))


@files.get("/trends.csv")
def export_trends() -> flask.Response:
    """Return the last trends as a CSV file."""
    rows = ((x.well.name, x.slope, x.low, x.high, x.readings) for x in readings.trends())
    header = ("well", "mm_per_year", "low", "high", "readings")
    return _csv("trends.csv", csvfiles.write_csv(header, rows))


def _csv(name: str, pieces: t.Iterator[str]) -> flask.Response:
    response = flask.Response(pieces, mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
