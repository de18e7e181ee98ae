"""Whether a server can listen where the settings say."""

from __future__ import annotations

import errno
import socket
import typing as t

from ..exceptions import ConfigError

if t.TYPE_CHECKING:
    from .settings import FluxSyncSettings


def check_address(settings: FluxSyncSettings) -> None:
    """Make sure that a server can listen where the settings say.

    :raise ConfigError: It can't.
    """
    host, port = settings.gateway_host, settings.gateway_port
    name, expected = "gateway_port", ""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        return
    except PermissionError:
        expected = "a port from 1024 on, as lower ones need privileges"
    except (OSError, UnicodeError) as e:
        why = getattr(e, "strerror", None) or str(e)
        is_host = isinstance(e, (socket.gaierror, UnicodeError))
        if is_host or getattr(e, "errno", 0) == errno.EADDRNOTAVAIL:
            name, expected = "gateway_host", f"an address of this machine ({why})"
        else:
            expected = f"a free port on {host} ({why}); choose another one with --port"
    value = getattr(settings, name)
    raise ConfigError(name, value, source=settings.source(name), expected=expected)
