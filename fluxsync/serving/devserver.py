"""The development server: Werkzeug's, started anew when a file of the application changes.

Streamlit isn't: its supervisor belongs to the process that stays, and Streamlit notices
changes of pages itself.
"""

from __future__ import annotations

import logging
import os
import signal
import site
import socket
import sys
import sysconfig
import traceback
import typing as t

from werkzeug.serving import (
    WSGIRequestHandler,
    is_running_from_reloader,
    make_server,
    run_simple,
)

from ..bridges import serverlogs
from ..bridges.host import Host, listener_url
from ..config.listening import check_address
from ..process.child import die_with
from ..process.state import base_directory
from ..telemetry import logs
from ..telemetry.redaction import redact_text
from .gunicorn import end_supervisors
from .loading import load_application, load_or_explain

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..typing import StartResponse, WSGIApplication, WSGIEnvironment

#: Werkzeug's reloader passes the listening socket on by this.
_SERVER_FD = "WERKZEUG_SERVER_FD"
#: The reloader's process id. The parent's would be another one once the reloader is killed.
_RELOADER = "_FLUXSYNC_RELOADER"


class QuietHandler(WSGIRequestHandler):
    """Leaves the access log to the gateway."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def is_reloaded() -> bool:
    """Whether this process serves, and is started anew with each change; not the reloader."""
    return bool(is_running_from_reloader())


def run(settings: FluxSyncSettings, *, reload: bool = True) -> int:
    """Serve until a signal ends it, and return the command's exit status.

    :param reload: Whether to start anew when a file of the application changes.
    :raise ConfigError: The port is taken, or not to be had, or there's no state directory.
    :raise TargetError: Without reloads, the application can't be loaded.
    """
    if not reload:
        return _run_once(settings)
    logging.getLogger("werkzeug").addFilter(_is_news)
    serverlogs.configure(settings, insist=True)
    application: WSGIApplication = _unused
    if is_running_from_reloader():
        reloader = int(os.environ[_RELOADER])
        # Werkzeug ends this process when the reloader ends, unless that is killed.
        die_with(reloader)
        application = _load(reloader)
    else:
        base_directory(settings.state_dir, settings.source("state_dir"))
        check_address(settings)
        os.environ[_RELOADER] = str(os.getpid())
    try:
        run_simple(
            settings.gateway_host,
            settings.gateway_port,
            application,
            use_reloader=True,
            reloader_type="stat",
            extra_files=[name for name in ("fluxsync.toml", ".env") if os.path.isfile(name)],
            exclude_patterns=_foreign_files(),
            threaded=True,
            request_handler=QuietHandler,
        )
    finally:
        if not is_running_from_reloader():
            end_supervisors(settings)
    return 0


def _run_once(settings: FluxSyncSettings) -> int:
    base_directory(settings.state_dir, settings.source("state_dir"))
    check_address(settings)
    application = load_or_explain()
    # As gunicorn does. Werkzeug's own server ends by an interrupt only.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = make_server(
        settings.gateway_host,
        settings.gateway_port,
        application,
        threaded=True,
        request_handler=QuietHandler,
    )
    try:
        address = server.socket.getsockname()
        application.start(Host("standalone", os.getpid(), listener_url(address)))
        server.serve_forever()
    finally:
        server.server_close()
        end_supervisors(settings)
    return 0


def _load(reloader: int) -> WSGIApplication:
    """Load the application; one that is broken is shown until its files change.

    :param reloader: Process id of the reloader.
    """
    try:
        application = load_application()
    except Exception as e:  # noqa: BLE001 # whatever it is, the developer is about to mend it
        sys.stderr.write(logs.last_words(f"Error: can't load the application: {e}", e) + "\n")
        return _broken(redact_text(traceback.format_exc()))
    with socket.socket(fileno=os.dup(int(os.environ[_SERVER_FD]))) as listener:
        url = listener_url(listener.getsockname())
    # The reloader stays while this process comes and goes.
    application.start(Host("standalone", reloader, url))
    return application


def _broken(text: str) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        start_response("500 Internal Server Error", headers)
        return [
            b"The application can't be loaded. Mend it and reload this page.\n\n",
            text.encode(),
        ]

    return application


def _unused(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    raise AssertionError("the reloader's own process serves nothing")


def _foreign_files() -> list[str]:
    """Return patterns of Python files that aren't the application's."""
    directories = {
        *site.getsitepackages(),
        site.getusersitepackages(),
        sysconfig.get_path("stdlib"),
    }
    if sys.prefix != sys.base_prefix:
        # A virtual environment. The system's prefix may have everything below it: /usr/src.
        directories.add(sys.prefix)
    return [f"{directory}{os.sep}*" for directory in directories]


def _is_news(record: logging.LogRecord) -> bool:
    """Let through what Werkzeug says about reloads, not its banner."""
    return record.levelno >= logging.ERROR or "Detected change" in record.getMessage()
