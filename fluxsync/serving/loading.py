"""Load the application that the settings name."""

from __future__ import annotations

import os
import sys
import typing as t

from ..app import FluxSync
from ..config import FluxSyncSettings
from ..config.target import import_target
from ..exceptions import ConfigError, TargetError
from ..telemetry import logs

#: What is served if nothing is named, and the file is there.
DEFAULT_TARGET = "app:app"


def load_application() -> FluxSync:
    """Return the application, and send the log to standard error.

    :raise FluxSyncError: A setting is wrong, or there's no application.
    """
    settings = FluxSyncSettings()
    logs.configure(settings.log_level)
    target = choose_target(settings)
    if not target:
        application = FluxSync(settings=settings)
    else:
        application = import_application(target)
        application.check_pages()
    application.start_with_server()
    return application


def import_application(target: str) -> FluxSync:
    """Return the application behind an import target.

    :raise TargetError: It isn't there, or something else is.
    """
    application = import_target(target)
    if not isinstance(application, FluxSync):
        kind = type(application).__name__
        raise TargetError(f"{target} is a {kind}, not a FluxSync application")
    return application


def choose_target(settings: FluxSyncSettings) -> str:
    """Return the import target; empty if the settings name a script or an upstream only.

    :raise ConfigError: They name nothing.
    """
    if settings.app:
        return settings.app
    if settings.streamlit_script or settings.streamlit_upstream:
        return ""
    if os.path.isfile("app.py"):
        return DEFAULT_TARGET
    raise ConfigError(
        "app",
        "",
        source="default",
        expected="FLUXSYNC_APP=module:attribute, FLUXSYNC_STREAMLIT_SCRIPT=path.py or "
        "FLUXSYNC_STREAMLIT_UPSTREAM=http://host:port",
    )


def refused(error: Exception) -> Exception:
    """Return an exception that makes the server print one line, and no traceback.

    Only gunicorn knows such an exception.
    """
    errors = sys.modules.get("gunicorn.errors")
    if errors is None:
        return error
    return t.cast(Exception, errors.AppImportError(f"fluxsync: {error}"))
