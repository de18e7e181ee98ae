"""Put a gateway together: which supervisor it talks to, and what that is to run."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..assets import directories
from ..config.environment import streamlit_environment
from ..pages.command import TARGET_VARIABLE, streamlit_arguments
from ..process.client import SupervisorClient
from ..process.lifetime import Anchor
from ..process.spec import Spec, application_key
from ..process.state import StateDirectory, base_directory
from ..upstream.client import API_BASE_VARIABLE
from .application import Gateway
from .handover import relay_limits

if t.TYPE_CHECKING:
    from ..bridges.host import Host
    from ..config import FluxSyncSettings
    from ..typing import WSGIApplication


def build_gateway(
    settings: FluxSyncSettings, api: WSGIApplication, target: str, host: Host
) -> Gateway:
    """Return the gateway of an application.

    :param target: Import target of the application, for Streamlit's process.
    :param host: The WSGI server around this process.
    :raise FluxSyncError: The state directory can't be used.
    """
    spec = build_spec(settings, target, host)
    anchor = Anchor(host.anchor)
    key = application_key(spec.name, spec.directory, anchor.pid, anchor.start)

    def locate() -> StateDirectory:
        return StateDirectory(base_directory(settings.state_dir), key)

    if not host.forks_later:
        locate()  # what's wrong with it is said now, and not with the first request
    return Gateway(settings, api, SupervisorClient(locate, spec, anchor))


def build_spec(settings: FluxSyncSettings, target: str, host: Host) -> Spec:
    """Return what the supervisor is to run."""
    common: dict[str, t.Any] = {
        "directory": os.getcwd(),
        "start_timeout": settings.streamlit_start_timeout_s,
        "graceful_timeout": settings.graceful_timeout_s,
        "log_level": settings.log_level,
        "limits": dataclasses.asdict(relay_limits(settings)),
        "end_anchor": settings.exit_if_streamlit_fails,
        "url": host.url,
        "cache_dirs": tuple(map(str, directories.candidates(settings.cache_dir))),
    }
    if settings.streamlit_upstream:
        addresses = tuple(url.removeprefix("http://") for url in settings.streamlit_upstream)
        return Spec(name=", ".join(settings.streamlit_upstream), upstreams=addresses, **common)
    script = settings.streamlit_script
    environment = streamlit_environment(os.environ, settings.streamlit_env)
    environment[API_BASE_VARIABLE] = api_base(settings, host)
    # The banner shows a URL that only this machine can reach, and nobody should.
    environment.setdefault("STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE", "true")
    if not script:
        environment[TARGET_VARIABLE] = target
    return Spec(
        name=script or target,
        arguments=streamlit_arguments(settings),
        target="" if script else target,
        environment=environment,
        **common,
    )


def api_base(settings: FluxSyncSettings, host: Host) -> str:
    """Return the URL at which pages reach the API."""
    if settings.internal_api_base:
        return settings.internal_api_base
    listener = host.url or f"http://127.0.0.1:{settings.gateway_port}"
    return listener + settings.api_mount_path
