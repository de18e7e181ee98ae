"""Put a gateway together: which supervisor it talks to, and what that is to run."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from urllib.parse import urlsplit

from ..assets import directories
from ..config.environment import python_path, streamlit_environment
from ..config.platform import find_platform, public_url
from ..exceptions import SupervisorError
from ..pages.command import TARGET_VARIABLE, streamlit_arguments
from ..process.client import SupervisorClient
from ..process.lifetime import Anchor
from ..process.spec import Spec, application_key
from ..process.state import StateDirectory, base_directory
from ..upstream.calls import CALLS_URL, CALLS_VARIABLE
from ..upstream.ways import API_BASE_VARIABLE, Offer
from .application import Gateway
from .calls import CallListener
from .handover import relay_limits

if t.TYPE_CHECKING:
    from ..api.websockets import WebSocketRoutes
    from ..bridges.host import Host
    from ..config import FluxSyncSettings
    from ..config.platform import Platform
    from ..typing import WSGIApplication


def build_gateway(
    settings: FluxSyncSettings,
    api: WSGIApplication,
    target: str,
    host: Host,
    websockets: WebSocketRoutes | None = None,
) -> Gateway:
    """Return the gateway of an application.

    :param api: From :func:`~fluxsync.api.mounting.mount_api`.
    :param target: Import target of the application, for Streamlit's process.
    :param host: The WSGI server around this process.
    :param websockets: The API's own.
    :raise FluxSyncError: The state directory can't be used.
    """
    platform = platform_of(settings, host)
    spec = build_spec(settings, target, host, platform)
    anchor = Anchor(host.anchor)
    key = application_key(spec.name, spec.directory, anchor.pid, anchor.start)

    def locate() -> StateDirectory:
        if host.defect:
            raise SupervisorError(host.defect)  # for the log and the page; the API goes on
        source = settings.source("state_dir")
        return StateDirectory(base_directory(settings.state_dir, source), key, source)

    if not host.forks_later and not host.defect:
        locate()  # what's wrong with it is said now, and not with the first request
    supervisor = SupervisorClient(locate, spec, anchor)
    gateway = Gateway(settings, api, supervisor, platform, websockets)
    gateway.offer = Offer(api_base(settings, host), private=bool(spec.calls_variable))
    if spec.calls_variable:
        listener = CallListener(gateway, settings.graceful_timeout_s, gateway.offer, is_held=True)
        supervisor.prepare = listener.open
        gateway.loaded = listener.release
    return gateway


def platform_of(settings: FluxSyncSettings, host: Host) -> Platform:
    """Return the host around this process, which may publish its port under a path."""
    port = urlsplit(host.url).port
    if port is None and settings.source("gateway_port") != "default":
        port = settings.gateway_port
    return find_platform(os.environ, port or 0)


def build_spec(settings: FluxSyncSettings, target: str, host: Host, platform: Platform) -> Spec:
    """Return what the supervisor is to run."""
    common: dict[str, t.Any] = {
        "directory": os.getcwd(),
        "start_timeout": settings.streamlit_start_timeout_s,
        "graceful_timeout": settings.graceful_timeout_s,
        "log_level": settings.log_level,
        "log_format": settings.log_format,
        "secrets": tuple(sorted(settings.secrets())),
        "limits": dataclasses.asdict(relay_limits(settings)),
        "end_anchor": settings.exit_if_streamlit_fails,
        "url": host.url,
        "browser_url": public_url(settings, platform),
        "linger": host.linger,
        "server": host.role,
        "cache_dirs": tuple(map(str, directories.candidates(settings.cache_dir))),
    }
    if settings.streamlit_upstream:
        addresses = tuple(url.removeprefix("http://") for url in settings.streamlit_upstream)
        return Spec(name=", ".join(settings.streamlit_upstream), upstreams=addresses, **common)
    script = settings.streamlit_script
    # They may have a password for the collector in them.
    traces = ("OTEL_*",) if settings.enable_opentelemetry else ()
    environment = streamlit_environment(os.environ, (*settings.streamlit_env, *traces))
    environment[API_BASE_VARIABLE] = api_base(settings, host)
    # Else it could be the one of a page that has started this server.
    environment.pop(CALLS_VARIABLE, None)
    if host.embeds_python:
        environment["PYTHONPATH"] = python_path()
    # The banner shows a URL that only this machine can reach, and nobody should.
    environment.setdefault("STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE", "true")
    if not script:
        environment[TARGET_VARIABLE] = target
    return Spec(
        name=script or target,
        arguments=streamlit_arguments(settings),
        target="" if script else target,
        environment=environment,
        tells_users=platform.is_connect,
        calls_variable="" if settings.internal_api_base else CALLS_VARIABLE,
        **common,
    )


def api_base(settings: FluxSyncSettings, host: Host) -> str:
    """Return the URL at which pages reach the API.

    Unless it's set, :class:`~fluxsync.ApiClient` makes its connections to the workers' private
    sockets, whose calls have this URL all the same. It's for other clients, too, if it's that of
    the listener.
    """
    base = settings.internal_api_base
    return base or (_listener(host) or CALLS_URL) + settings.api_mount_path


def _listener(host: Host) -> str:
    # Where TLS ends in the listener, its certificate is hardly for this machine's own address.
    return host.url if host.url.startswith("http://") else ""
