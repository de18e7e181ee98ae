"""gunicorn, run by ``fluxsync run`` and ``fluxsync demo``."""

from __future__ import annotations

import os
import socket
import sys
import typing as t

from gunicorn.app.base import BaseApplication
from gunicorn.config import KNOWN_SETTINGS

from ..exceptions import ConfigError, FluxSyncError
from ..process.client import ask
from ..process.lifetime import start_time
from ..process.state import StateDirectory, all_states, base_directory
from .loading import load_application, refused

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from ..typing import WSGIApplication

#: gunicorn's exit status for an application that can't be loaded.
_APP_LOAD_ERROR = 4


class GunicornApplication(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn with settings that fit: WebSockets and Streamlit are the supervisor's."""

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn our settings; its own files and variables aren't read."""
        settings = self._settings
        wanted = {
            "bind": f"{_bracketed(settings.gateway_host)}:{settings.gateway_port}",
            "workers": settings.workers,
            "threads": settings.threads if settings.worker_class == "gthread" else 1,
            "worker_class": settings.worker_class,
            "preload_app": settings.preload,
            "graceful_timeout": int(settings.graceful_timeout_s),
            # Longer than a load balancer keeps its idle connections (60 s at most of them).
            "keepalive": 65,
            "proc_name": "fluxsync",
            # The gateway writes the access log, and says where it runs.
            "accesslog": None,
            "loglevel": "debug" if settings.log_level == "debug" else "warning",
            # Since 25.1; one path for all gunicorns of a user.
            "control_socket_disable": True,
        }
        if os.access("/dev/shm", os.W_OK):  # noqa: S108
            # Heartbeats on a disk block while it's busy.
            wanted["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        known = {setting.name for setting in KNOWN_SETTINGS}
        for name, value in wanted.items():
            if name in known:
                self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """Return the application; called in each worker, or in the master to preload."""
        try:
            return load_application()
        except FluxSyncError as e:
            raise refused(e) from e


def run(settings: FluxSyncSettings) -> int:
    """Serve until a signal ends it, and return the command's exit status.

    :raise ConfigError: The port is taken, or not to be had.
    """
    check_address(settings.gateway_host, settings.gateway_port)
    status = 0
    try:
        GunicornApplication(settings).run()
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else 1
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
    for state in all_states(base_directory(settings.state_dir)):
        info = state.description() or {}
        if (info.get("anchor"), info.get("anchor_start")) == own:
            found.append(state)
    return found


def check_address(host: str, port: int) -> None:
    """Make sure that a server can listen there.

    :raise ConfigError: It can't.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except PermissionError as e:
        expected = "a port from 1024 on, as lower ones need privileges"
        raise ConfigError("gateway_port", port, source="settings", expected=expected) from e
    except socket.gaierror as e:
        expected = f"an address of this machine ({e.strerror})"
        raise ConfigError("gateway_host", host, source="settings", expected=expected) from e
    except OSError as e:
        expected = f"a free port on {host} ({e.strerror}); choose another one with --port"
        raise ConfigError("gateway_port", port, source="settings", expected=expected) from e


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
