"""The development server: Werkzeug's, started anew when a file of the application changes.

Streamlit isn't: its supervisor belongs to the process that stays, and Streamlit notices
changes of pages itself.
"""

from __future__ import annotations

import logging
import os
import site
import socket
import sys
import sysconfig
import traceback
import typing as t

from werkzeug.serving import WSGIRequestHandler, is_running_from_reloader, run_simple

from ..bridges.host import Host, listener_url
from ..process.child import die_with
from ..process.state import base_directory
from .gunicorn import check_address, end_supervisors
from .loading import load_application

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


def run(settings: FluxSyncSettings) -> int:
    """Serve until a signal ends it, and return the command's exit status.

    :raise ConfigError: The port is taken, or not to be had, or there's no state directory.
    """
    logging.getLogger("werkzeug").addFilter(_is_news)
    application: WSGIApplication = _unused
    if is_running_from_reloader():
        reloader = int(os.environ[_RELOADER])
        # Werkzeug ends this process when the reloader ends, unless that is killed.
        die_with(reloader)
        application = _load(reloader)
    else:
        base_directory(settings.state_dir)
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


def _load(reloader: int) -> WSGIApplication:
    """Load the application; one that is broken is shown until its files change.

    :param reloader: Process id of the reloader.
    """
    try:
        application = load_application()
    except Exception:  # noqa: BLE001 # whatever it is, the developer is about to mend it
        text = traceback.format_exc()
        sys.stderr.write(text)
        return _broken(text)
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
