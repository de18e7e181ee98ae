"""The tracer of a process, and which of its spans others are told to belong to."""

from __future__ import annotations

import logging
import os
import threading
import typing as t

if t.TYPE_CHECKING:
    from ..typing import Headers

logger = logging.getLogger("fluxsync.tracing")

#: W3C Trace Context: the fields that say which span another one belongs to.
FIELDS = ("traceparent", "tracestate")


class TracerSpan(t.Protocol):
    """A span of a :class:`Tracer`."""

    def set_attribute(self, name: str, value: t.Any) -> None:
        """Add a fact."""

    def attach(self) -> t.Any:
        """Make it the current one of what is called from here; return what undoes that."""

    def detach(self, token: t.Any) -> None:
        """Undo :meth:`attach`."""

    def end(self, error: str, time: int | None) -> None:
        """End it.

        :param error: What failed, or ``""``.
        :param time: Nanoseconds since 1970; ``None`` is now.
        """


class Tracer(t.Protocol):
    """Makes spans that know each other, in all processes."""

    def begin(
        self,
        name: str,
        attributes: t.Mapping[str, t.Any],
        kind: str,
        parent: t.Mapping[str, str] | None,
        time: int | None,
    ) -> TracerSpan:
        """Begin a span.

        :param kind: ``server``, ``client`` or ``internal``.
        :param parent: :data:`FIELDS` of the one that it belongs to, unless there's a current one.
        :param time: Nanoseconds since 1970; ``None`` is now.
        """

    def fields(self) -> dict[str, str]:
        """Return :data:`FIELDS` of the current span; empty if there's none."""


#: Makes the tracer of a process, when it's first needed there: its threads survive no fork.
_factory: t.Callable[[], Tracer] | None = None
#: By process id; ``None`` where it can't be made.
_tracers: dict[int, Tracer | None] = {}
#: By process id. Made when it's needed: gevent may have to patch what it's made of before.
_locks: dict[int, threading.Lock] = {}


def set_tracer(factory: t.Callable[[], Tracer] | None) -> None:
    """Have spans made by a tracer, in this process and in those that it forks."""
    global _factory
    _factory = factory
    _tracers.clear()


def has_tracer() -> bool:
    """Whether spans are made, unless that fails."""
    return _factory is not None


def find_tracer() -> Tracer | None:
    """Return this process's tracer; ``None`` if it has none."""
    if _factory is None:
        return None
    pid = os.getpid()
    try:
        return _tracers[pid]
    except KeyError:
        with _locks.setdefault(pid, threading.Lock()):
            if pid not in _tracers:
                tracer = None
                try:
                    tracer = _factory()
                except Exception:
                    logger.exception("there are no traces: OpenTelemetry can't be set up")
                _tracers[pid] = tracer
        return _tracers[pid]


def propagated() -> dict[str, str]:
    """Return :data:`FIELDS` of the current span, for what is called; empty if there's none."""
    tracer = find_tracer()
    return {} if tracer is None else tracer.fields()


def with_propagated(fields: Headers) -> Headers:
    """Return header fields that name the current span; as they were, if there's none."""
    own = propagated()
    if not own:
        return fields
    return [*((k, v) for k, v in fields if k.lower() not in FIELDS), *own.items()]


def tell(environ: dict[str, t.Any]) -> None:
    """Have a WSGI application called from within the current span, if there's one."""
    own = propagated()
    if own:
        for name in FIELDS:
            environ.pop(f"HTTP_{name.upper()}", None)
        environ.update((f"HTTP_{name.upper()}", value) for name, value in own.items())
