"""Load the application that the settings name."""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import typing as t

from ..app import FluxSync
from ..bridges import serverlogs
from ..bridges.host import find_host
from ..config import FluxSyncSettings
from ..config.advice import enforce
from ..config.target import import_target
from ..exceptions import ConfigError, FluxSyncError, TargetError
from ..telemetry import logs
from ..telemetry.redaction import redact_text

if t.TYPE_CHECKING:
    import types

#: What is served if nothing is named, and the file is there.
DEFAULT_TARGET = "app:app"


def load_application() -> FluxSync:
    """Return the application, and send the log to standard error.

    :raise FluxSyncError: A setting is wrong, or there's no application.
    """
    settings = FluxSyncSettings()
    # These are lines of a program of ours; the application's own handlers are for its own.
    serverlogs.configure(settings, insist=True)
    target = choose_target(settings)
    if not target:
        application = FluxSync(settings=settings)
    else:
        application = import_application(target)
        # Its code may have settings of its own.
        serverlogs.configure(application.settings, insist=True)
        application.check_pages()
    # Not with the first request, which is where most servers have it start.
    enforce(application.settings)
    application.start_with_server()
    return application


def load_or_explain() -> FluxSync:
    """Return the application; whatever its code raises is shown from there on, and in one line.

    :raise FluxSyncError: A setting is wrong, or there's no application.
    """
    try:
        return load_application()
    except FluxSyncError:
        raise
    except Exception as e:
        shown = e.with_traceback(_from_application(e.__traceback__))
        sys.stderr.write(logs.last_words("", shown))
        words = f"can't import the application: {type(e).__name__}: {e}"
        raise TargetError(redact_text(words)) from e


def _from_application(trace: types.TracebackType | None) -> types.TracebackType | None:
    """Return the part of a traceback that begins in the application's code."""
    own = str(pathlib.Path(__file__).parents[1])
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith((own, "<frozen importlib")) and name != importlib.__file__:
            break
        trace = trace.tb_next
    return trace


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


def refused(error: Exception) -> BaseException:
    """Return an exception that makes the server print one line, and no traceback.

    gunicorn's workers know such an exception. Its master, if it loads the application before it
    forks, and waitress's command end by themselves. Others don't.
    """
    trace = None if isinstance(error, FluxSyncError) else error
    words = logs.last_words(f"fluxsync: {error}", trace)
    if "waitress.runner" in sys.modules or find_host().role == "gunicorn master":
        sys.stderr.write(f"{words}\n")
        return SystemExit(2)
    errors = sys.modules.get("gunicorn.errors")
    return error if errors is None else t.cast(Exception, errors.AppImportError(words))
