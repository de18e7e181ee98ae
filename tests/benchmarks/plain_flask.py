"""A Flask application, and nothing else."""

from __future__ import annotations

import flask

from tests.benchmarks.routes import add_routes

application = flask.Flask(__name__)
add_routes(application)
