"""The Flask application that fluxsync makes for the API, without fluxsync around it."""

from __future__ import annotations

from fluxsync.api.application import create_api
from tests.benchmarks.routes import add_routes

application = create_api("Benchmark", "/api")
add_routes(application)
