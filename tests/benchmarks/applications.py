"""The API of the benchmarks behind fluxsync, as ``FLUXSYNC_APP`` names it."""

from __future__ import annotations

from fluxsync import FluxSync
from tests.benchmarks.routes import add_routes

app = FluxSync(title="Benchmark")
add_routes(app.api)
