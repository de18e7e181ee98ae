"""Every exception that fluxsync raises on purpose.

.. code-block:: text

    FluxSyncError
    ├── ConfigError                a setting, from whichever source
    ├── TargetError                FLUXSYNC_APP names something that can't be loaded
    ├── ApiError                   an API, router or WebSocket handler that can't be used
    ├── PageError                  a page that can't be registered
    ├── PageInputError             a page's query parameters, header fields or cookies
    ├── SessionError               a URL session can't be kept or read
    ├── ScaffoldError              fluxsync new
    ├── SupervisorError            the supervisor can't be started or reached
    ├── ReloadError                a running application isn't loaded anew
    ├── ProviderError              an identity provider fails
    │   └── ProviderTimeoutError   too slow
    ├── BridgeError                this server doesn't give its client's socket away
    └── UpstreamError              the hop to Streamlit
        ├── UpstreamUnavailable    no connection, or no replica that could take one
        ├── UpstreamTimeout        too slow
        └── UpstreamProtocolError  an answer that isn't one

Messages are lower-case and without a period, since they're embedded in lines of logs and
of the command line. They say what to change.
"""

from __future__ import annotations


class FluxSyncError(Exception):
    """Base of all exceptions here."""


class ConfigError(FluxSyncError):
    """A setting is wrong.

    :param name: Name of the setting.
    :param value: What was found; shown with ``repr``.
    :param source: Where it was found: ``environment``, ``.env``, a file name, ...
    :param expected: What would be right.
    """

    def __init__(self, name: str, value: object, *, source: str, expected: str) -> None:
        super().__init__(name, value, source, expected)
        self.name = name
        self.value = value
        self.source = source
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.name}={self.value!r} from {self.source}: expected {self.expected}"


class TargetError(FluxSyncError):
    """An import target doesn't lead to an application."""


class ApiError(FluxSyncError, ValueError):
    """An API, a router, or the handler of a WebSocket can't be used as it is."""


class PageError(FluxSyncError, ValueError):
    """A page can't be registered."""


class SessionError(FluxSyncError, ValueError):
    """A URL session can't be kept or read: its data, or its store."""


class PageInputError(FluxSyncError, ValueError):
    """What a page got from its user's browser is missing or wrong."""


class ScaffoldError(FluxSyncError):
    """A new project can't be created."""


class SupervisorError(FluxSyncError):
    """The supervisor can't be started or reached."""


class ReloadError(FluxSyncError):
    """A running application can't be loaded anew."""


class ProviderError(FluxSyncError):
    """An identity provider can't be reached, or what it says makes no sense."""


class ProviderTimeoutError(ProviderError):
    """An identity provider takes too long."""


class BridgeError(FluxSyncError):
    """The client's socket can't be taken from this server."""


class UpstreamError(FluxSyncError):
    """The hop to Streamlit failed."""

    #: What metrics call it.
    kind = "protocol"


class UpstreamUnavailable(UpstreamError):
    """There is no connection to Streamlit."""

    kind = "unreachable"


class UpstreamTimeout(UpstreamError):
    """Streamlit took longer than a configured limit."""

    kind = "timeout"


class UpstreamProtocolError(UpstreamError):
    """What came back isn't valid HTTP, or broke off."""
