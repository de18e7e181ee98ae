"""gunicorn, run by ``fluxsync run`` and ``fluxsync demo``, and its settings that fit."""

from __future__ import annotations

import logging
import os
import signal
import sys
import typing as t

from gunicorn.app.base import BaseApplication
from gunicorn.config import KNOWN_SETTINGS
from gunicorn.errors import AppImportError

from ..config.listening import check_address
from ..exceptions import FluxSyncError
from ..process.launch import ask
from ..process.lifetime import start_time
from ..process.state import StateDirectory, all_states, base_directory
from ..telemetry import logs
from .loading import load_or_explain

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..typing import WSGIApplication

#: With USR2, a new master gets the old one's listener by this.
_INHERITED = "GUNICORN_FD"
#: gunicorn's exit status for an application that can't be loaded.
_APP_LOAD_ERROR = 4
_NO_NEWS = ("exited with code 4", "Shutting down: Master", "Reason: App failed to load")


class GunicornApplication(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn with settings that fit: WebSockets and Streamlit are the supervisor's."""

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn our settings; its own files and variables aren't read."""
        known = {setting.name for setting in KNOWN_SETTINGS}
        # The supervisor says where it runs.
        quiet = "debug" if self._settings.log_level == "debug" else "warning"
        for name, value in {**server_settings(self._settings), "loglevel": quiet}.items():
            if name in known:
                self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """Return the application; called in each worker, or in the master to preload."""
        try:
            return load_or_explain()
        except FluxSyncError as e:
            raise AppImportError(logs.last_words(f"Error: {e}")) from e


def server_settings(settings: FluxSyncSettings) -> dict[str, t.Any]:
    """Return gunicorn's settings that fit, whoever starts it."""
    wanted = {
        "bind": f"{_bracketed(settings.gateway_host)}:{settings.gateway_port}",
        "workers": settings.workers,
        "threads": settings.threads if settings.worker_class == "gthread" else 1,
        "worker_class": settings.worker_class,
        "preload_app": settings.preload,
        "graceful_timeout": int(settings.graceful_timeout_s),
        # Longer than what is in front keeps its idle connections: 60 s at most load
        # balancers, 90 s at Heroku's router. Else it sends a request into one that ends.
        "keepalive": 95,
        # A sync worker doesn't report while it streams, and would be killed after 30 s.
        # The hop to Streamlit has time-outs of its own.
        "timeout": 0 if settings.worker_class == "sync" else 30,
        # Deep links carry state in their query; browsers send what fits.
        "limit_request_line": 8190,
        "proc_name": "fluxsync",
        "logger_class": "fluxsync.serving.gunicornlog.GunicornLogger",
        # The gateway writes the access log.
        "accesslog": None,
        "post_worker_init": _leave_interrupts_to_master,
        # Since 25.1; one path for all gunicorns of a user.
        "control_socket_disable": True,
        # gunicorn's own default, but for the variable FORWARDED_ALLOW_IPS. Heroku sets it to
        # '*', whereupon gunicorn takes SCRIPT_NAME from any client's header.
        "forwarded_allow_ips": "127.0.0.1,::1",
    }
    if os.access("/dev/shm", os.W_OK):  # noqa: S108
        # Heartbeats on a disk block while it's busy.
        wanted["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
    return wanted


def _leave_interrupts_to_master(worker: object) -> None:
    """Have a worker ignore SIGINT, which a terminal sends to all processes.

    The master passes it on as SIGQUIT. Two signals in a row, and the gthread worker's handler
    waits for a lock that it holds itself, until the worker is killed (gunicorn 27.0).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(settings: FluxSyncSettings) -> int:
    """Serve until a signal ends it, and return the command's exit status.

    :raise ConfigError: The port is taken, or not to be had, or there's no state directory.
    """
    base_directory(settings.state_dir, settings.source("state_dir"))
    if _INHERITED not in os.environ:
        check_address(settings)
    logging.getLogger("gunicorn.error").addFilter(_is_news)
    status, master = 0, os.getpid()
    try:
        GunicornApplication(settings).run()
    except SystemExit as e:
        if os.getpid() != master:
            raise  # a worker ends; its status tells the master whether to try another one
        status = e.code if isinstance(e.code, int) else 1
    except AppImportError as e:  # to preload
        sys.stderr.write(f"{e}\n")
        status = _APP_LOAD_ERROR
    gave_up = end_supervisors(settings)
    if status == _APP_LOAD_ERROR:
        return 2
    return 1 if status or gave_up else 0


def end_supervisors(settings: FluxSyncSettings) -> bool:
    """End this process's supervisors and wait for them.

    They would end by themselves; but when the command returns, nothing of it is left.

    :return: Whether Streamlit never came up.
    """
    gave_up = False
    for state in own_states(settings):
        outcome = ask(state, "stop", timeout=settings.graceful_timeout_s + 5.0)
        gave_up = gave_up or bool(outcome and outcome.get("gave_up"))
    return gave_up


def own_states(settings: FluxSyncSettings) -> list[StateDirectory]:
    """Return the state directories of supervisors whose anchor this process is."""
    own = (os.getpid(), start_time(os.getpid()))
    found = []
    for state in all_states(base_directory(settings.state_dir, settings.source("state_dir"))):
        info = state.description() or {}
        if (info.get("anchor"), info.get("anchor_start")) == own:
            found.append(state)
    return found


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what gunicorn has to say about a worker that has said itself what's wrong."""
    message = record.getMessage()
    return not any(words in message for words in _NO_NEWS)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
