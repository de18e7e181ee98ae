"""Which replica a request goes to. No I/O.

Sessions, uploads and media live in the memory of one Streamlit process, so a browser
stays with the replica it began with, by a cookie.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .supervision import SERVING, Replica, State

#: Session cookie that keeps a browser at its replica.
COOKIE = "fluxsync_replica"


@dataclasses.dataclass(frozen=True)
class Row:
    """One replica, as the gateway workers see it."""

    id: str
    state: State
    host: str
    port: int | None
    healthy: bool
    reason: str
    #: The installation whose frontend files it serves; ``""`` if that isn't known.
    frontend: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """All replicas at one moment.

    The supervisor pushes it whenever it changes; workers replace theirs as a whole, so
    it's read without a lock.
    """

    version: int = 0
    rows: tuple[Row, ...] = ()

    def to_json(self) -> dict[str, t.Any]:
        """Return it as JSON types."""
        rows = [dict(dataclasses.asdict(row), state=row.state.value) for row in self.rows]
        return {"version": self.version, "rows": rows}

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Table:
        """Undo :meth:`to_json`."""
        # A supervisor of a later version may say more.
        known = {field.name for field in dataclasses.fields(Row)}
        rows = []
        for values in data["rows"]:
            row = {name: value for name, value in values.items() if name in known}
            rows.append(Row(**{**row, "state": State(row["state"])}))
        return cls(data["version"], tuple(rows))

    @property
    def serves(self) -> bool:
        """Whether there is a replica for new browsers, even if it doesn't answer at the moment."""
        return any(row.state is State.RUNNING and row.port for row in self.rows)

    @property
    def ready(self) -> bool:
        """Whether there is a replica that answers."""
        return any(row.state is State.RUNNING and row.healthy for row in self.rows)


def row(replica: Replica) -> Row:
    """Return a replica's row of the table."""
    return Row(
        replica.id,
        replica.state,
        replica.host,
        replica.port,
        replica.healthy,
        replica.reason,
        replica.frontend,
    )


def choose(table: Table, preferred: str, spread: int) -> Row | None:
    """Return the replica for a request, or ``None`` if none can take it.

    :param preferred: Replica that the browser has been with, or ``""``. It is kept even
        while it drains: the browser's session is there.
    :param spread: Any number; spreads new browsers over the replicas.
    """
    for candidate in table.rows:
        if candidate.id == preferred and candidate.state in SERVING and candidate.port:
            return candidate
    fit = [r for r in table.rows if r.state is State.RUNNING and r.port]
    fit = [r for r in fit if r.healthy] or fit
    return fit[spread % len(fit)] if fit else None
