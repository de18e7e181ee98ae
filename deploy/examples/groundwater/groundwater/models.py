"""The tables."""

from __future__ import annotations

import enum
import typing as t
from datetime import date, datetime, timezone

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """A time in UTC; SQLite would forget the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=timezone.utc) if value and not value.tzinfo else value


class Role(str, enum.Enum):
    """What somebody may do; each role includes those before it."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


class JobState(str, enum.Enum):
    """Where a job stands. All but the first are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # its worker has ended, or got stuck


def _text_enum(kind: type[enum.Enum]) -> sa.Enum:
    """Keep an enumeration as text, which both databases can extend later."""
    return sa.Enum(
        kind, native_enum=False, length=20, values_callable=lambda k: [m.value for m in k]
    )


class Base(DeclarativeBase):
    type_annotation_map: t.ClassVar[dict[t.Any, t.Any]] = {
        datetime: UTCDateTime(),
        Role: _text_enum(Role),
        JobState: _text_enum(JobState),
    }


class User(Base):
    __tablename__ = "app_user"  # "user" is a reserved word
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    password_hash: Mapped[str] = mapped_column(sa.String(300))
    role: Mapped[Role]
    is_active: Mapped[bool] = mapped_column(default=True)
    #: Is part of each token: counting up ends all sessions of the user.
    generation: Mapped[int] = mapped_column(default=0)


class LoginAttempt(Base):
    """A login that failed, or is being checked."""

    __tablename__ = "login_attempt"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), index=True)
    at: Mapped[datetime] = mapped_column(default=now)


class Well(Base):
    __tablename__ = "well"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60), unique=True)


class Reading(Base):
    """The water level in a well on a day, in metres above sea level."""

    __tablename__ = "reading"
    __table_args__ = (sa.UniqueConstraint("well_id", "taken_on"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    well_id: Mapped[int] = mapped_column(sa.ForeignKey("well.id"))
    taken_on: Mapped[date]
    level_m: Mapped[float]
    note: Mapped[str] = mapped_column(sa.String(200), default="")
    changed_by: Mapped[str] = mapped_column(sa.String(40))
    version: Mapped[int] = mapped_column()
    well: Mapped[Well] = relationship(lazy="joined", innerjoin=True)
    #: An UPDATE that finds another version than it has read raises StaleDataError.
    __mapper_args__ = {"version_id_col": version}


class Job(Base):
    """A long piece of work, which a thread of some worker does."""

    __tablename__ = "job"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(40))
    state: Mapped[JobState] = mapped_column(default=JobState.RUNNING)
    #: The kind while it runs, then NULL: hence only one of a kind runs, whoever starts it.
    running: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    message: Mapped[str] = mapped_column(sa.String(500), default="")
    is_cancelling: Mapped[bool] = mapped_column(default=False)
    started_by: Mapped[str] = mapped_column(sa.String(40))
    started_at: Mapped[datetime] = mapped_column(default=now)
    #: Who runs it must report before this time, or it counts as lost.
    lease_until: Mapped[datetime]


class Trend(Base):
    """How fast a well's level changes, in millimetres per year: the last job's result."""

    __tablename__ = "trend"
    well_id: Mapped[int] = mapped_column(sa.ForeignKey("well.id"), primary_key=True)
    slope: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    readings: Mapped[int]
    well: Mapped[Well] = relationship(lazy="joined", innerjoin=True)
