"""The rows of the benchmark, in the order in which they're measured and shown."""

from __future__ import annotations

from tests.benchmarks.model import Row
from tests.benchmarks.rows.bulk import Bulk
from tests.benchmarks.rows.http import Api, Large, Small
from tests.benchmarks.rows.memory import Worker
from tests.benchmarks.rows.pages import Asset, Page, Start
from tests.benchmarks.rows.sessions import Burn, Busy, Slow
from tests.benchmarks.rows.stress import Silent, Survive
from tests.benchmarks.rows.tunnels import Click, Many
from tests.benchmarks.rows.websockets import Echo, Idle, Push

ROWS: tuple[type[Row], ...] = (
    *(Small, Large, Api, Echo, Push, Idle),
    *(Burn, Survive, Silent, Worker),
    *(Asset, Page, Start, Busy, Slow, Bulk),
    *(Click, Many),
)
