"""What the supervisor is to run. Plain values, since they travel as JSON."""

from __future__ import annotations

import dataclasses
import json
import typing as t

#: Variables whose change is a change of the settings begin with these.
_TELLING = ("FLUXSYNC_", "_FLUXSYNC_", "STREAMLIT_")


@dataclasses.dataclass(frozen=True)
class Spec:
    """One application's Streamlit servers, and how to treat them."""

    #: What people call the application: its target, script or upstream.
    name: str
    #: Working directory.
    directory: str
    #: Arguments of ``streamlit run``, script first; empty if somebody else runs Streamlit.
    arguments: tuple[str, ...] = ()
    #: What Streamlit's process imports first, so that a broken application is noticed.
    target: str = ""
    #: Streamlit's environment.
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Streamlit servers of somebody else, as ``host:port``.
    upstreams: tuple[str, ...] = ()
    #: Variable that tells Streamlit's process where gateway workers take calls of pages, if
    #: they do.
    calls_variable: str = ""
    #: Whether workers tell Streamlit who a user is.
    tells_users: bool = False
    replicas: int = 1
    start_timeout: float = 60.0
    graceful_timeout: float = 10.0
    log_level: str = "info"
    log_format: str = "text"
    #: What is masked in logs, wherever it occurs.
    secrets: tuple[str, ...] = ()
    #: What the relay allows: fields of :class:`~fluxsync.bridges.limits.Limits`.
    limits: dict[str, float] = dataclasses.field(default_factory=dict)
    #: End the anchor if Streamlit never comes up (``fluxsync run``, ``demo``, ``dev``).
    end_anchor: bool = False
    #: Seconds that the supervisor stays without workers; ``None`` is as long as the anchor.
    linger: float | None = None
    #: :attr:`~fluxsync.bridges.host.Host.role` of the process that made this.
    server: str = ""
    #: Where people reach the application; printed once it's ready.
    url: str = ""
    #: Where browsers find it, if a host publishes it elsewhere; printed as well.
    browser_url: str = ""
    #: Where compressed frontend files may be kept, the best place first.
    cache_dirs: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Return what tells two specs apart: with another one, Streamlit is started anew.

        Of the environment, only our own variables and Streamlit's count. Libraries set others
        while they're imported, and not the same in each worker: matplotlib, say, gives
        MPLCONFIGDIR a new directory. A worker that is recycled must not end all sessions.
        """
        told = {k: v for k, v in self.environment.items() if k.startswith(_TELLING)}
        # The directories follow from the environment too, the limits are the relay's, and the
        # log is the supervisor's: Streamlit knows nothing of them.
        others: dict[str, object] = {"cache_dirs": (), "limits": {}, "secrets": ()}
        others |= {"log_level": "", "log_format": ""}
        values = {**self.to_json(), "environment": told, **others}
        return json.dumps(values, sort_keys=True)

    def to_json(self) -> dict[str, t.Any]:
        """Return it as JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Spec:
        """Undo :meth:`to_json`; names that this version doesn't know are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, t.Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in known
        }
        return cls(**values)


def application_key(name: str, directory: str, anchor: int, anchor_start: str) -> str:
    """Return the name of the state directory of one application under one anchor."""
    # Not for the supervisor, in which OpenSSL would take a quarter of the memory.
    import hashlib

    text = "\0".join((name, directory, str(anchor), anchor_start))
    # Directories may have names that aren't text.
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]
