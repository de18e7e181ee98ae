"""The HTTP API, one module for each area. Views only call services."""

from __future__ import annotations

import flask
from fluxsync import FluxSync
from fluxsync.api import problem

from ..config import ConfigError
from ..errors import Refused
from . import accounts, files, readings, trends


def register(app: FluxSync) -> None:
    """Add all of it to an application."""
    for module in (accounts, readings, files, trends):
        for router in module.routers:
            app.api.register_api(router)
    app.api.register_error_handler(Refused, _refused)
    app.api.register_error_handler(ConfigError, _misconfigured)


def _refused(error: Refused) -> flask.Response:
    lines = [{"loc": ["line", n], "msg": message} for n, message in error.lines]
    return problem(error.status, str(error), lines or None)


def _misconfigured(error: ConfigError) -> flask.Response:
    return problem(500, str(error))
