"""Wells and readings."""

from __future__ import annotations

from .. import schemas
from ..models import Role
from ..schemas import MonthLevel, ReadingOut, WellOut
from ..security import current_user, protected_router
from ..services import readings as service

wells = protected_router("wells", read=Role.VIEWER, write=Role.ADMIN)
readings = protected_router("readings", read=Role.VIEWER, write=Role.EDITOR)
routers = (wells, readings)


@wells.get("/wells")
def list_wells() -> list[WellOut]:
    """List all wells."""
    return WellOut.all_of(service.wells())


@wells.post("/wells", responses={201: WellOut})
def add_well(body: schemas.NewWell) -> tuple[WellOut, int]:
    """Add a well."""
    return WellOut.of(service.add_well(body.name)), 201


@readings.get("/readings")
def list_readings(query: schemas.ReadingsQuery) -> list[ReadingOut]:
    """List the latest readings, the newest first."""
    return ReadingOut.all_of(service.readings(query, query.limit))


@readings.get("/levels")
def list_levels(query: schemas.Selection) -> list[MonthLevel]:
    """Return the average level of each well and month."""
    return service.month_levels(query)


@readings.post("/readings", responses={201: ReadingOut})
def add_reading(body: schemas.NewReading) -> tuple[ReadingOut, int]:
    """Keep a reading."""
    return ReadingOut.of(service.add_reading(body, current_user().name)), 201


@readings.put("/readings/<int:id>")
def change_reading(path: schemas.ById, body: schemas.ReadingChange) -> ReadingOut:
    """Replace a reading's values, if it still is the version that you have seen."""
    return ReadingOut.of(service.change_reading(path.id, body, current_user().name))


@readings.delete("/readings/<int:id>", responses={204: None})
def delete_reading(path: schemas.ById, query: schemas.ReadingVersion) -> tuple[str, int]:
    """Delete a reading, if it still is the version that you have seen."""
    service.delete_reading(path.id, query.version)
    return "", 204
