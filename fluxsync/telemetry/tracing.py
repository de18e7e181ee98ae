"""Spans: what took how long, for a hook of the application's, for OpenTelemetry, or for both.

Without either, nothing is made and nothing is imported.
"""

from __future__ import annotations

import contextlib
import logging
import typing as t

from .tracers import find_tracer, has_tracer, propagated

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from .tracers import TracerSpan

logger = logging.getLogger("fluxsync.tracing")

#: Called with a span's name and its attributes.
TraceHook: t.TypeAlias = "t.Callable[[str, dict[str, t.Any]], AbstractContextManager[t.Any]]"


class Span:
    """A span that nobody wants. Others are made by :func:`begin_span` and :func:`trace_span`.

    A context manager: the span is current within its block, and ends with it.
    """

    #: Whether anybody wants it.
    is_wanted = False

    def set_attribute(self, name: str, value: t.Any) -> None:
        """Add a fact: a text, a number or a truth value."""

    def fail(self, error: str) -> None:
        """Say that it failed, as the attribute ``error.type``.

        :param error: A kind of error, such as ``"500"`` or ``"TimeoutError"``.
        """

    def current(self) -> AbstractContextManager[None]:
        """Make it the span in which others begin, within a block."""
        return _NO_BLOCK

    def end(self, error: BaseException | None = None, time: int | None = None) -> None:
        """End it; the second time does nothing.

        :param error: Why, if something failed.
        :param time: Nanoseconds since 1970; now, if not given.
        """

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)


_NO_BLOCK = contextlib.nullcontext()
NOTHING = Span()


class _Guard:
    """Keeps the failures of others' code from what goes on; logs the first one.

    :param name: What people call that code.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_failed = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if not self._has_failed:
            self._has_failed = True
            message = "%s failed; further failures of it aren't logged"
            logger.error(message, self._name, exc_info=error)
        return True


class _Hook(_Guard):
    """A hook; a context manager around whatever is its own."""

    def __init__(self, call: TraceHook) -> None:
        super().__init__("the trace hook")
        self.call = call


_guard = _Guard("OpenTelemetry")


class _Live(Span):
    is_wanted = True

    def __init__(
        self,
        name: str,
        attributes: t.Mapping[str, t.Any],
        kind: str,
        parent: t.Mapping[str, str] | None,
        time: int | None,
    ) -> None:
        self._attributes = dict(attributes)
        self._error = ""
        self._has_ended = False
        self._token: t.Any = None
        self._span: TracerSpan | None = None
        tracer = find_tracer()
        if tracer is not None:
            with _guard:
                self._span = tracer.begin(name, attributes, kind, parent, time)
        self._hook = _hook
        self._manager: AbstractContextManager[t.Any] | None = None
        self._hooked: t.Any = None
        if self._hook is not None:
            with self._hook:
                manager = self._hook.call(name, self._attributes)
                self._hooked = manager.__enter__()
                self._manager = manager

    def set_attribute(self, name: str, value: t.Any) -> None:
        self._attributes[name] = value
        if self._span is not None:
            self._span.set_attribute(name, value)
        if self._hook is not None and self._hooked is not None:
            with self._hook:
                if hasattr(self._hooked, "set_attribute"):
                    self._hooked.set_attribute(name, value)

    def fail(self, error: str) -> None:
        self._error = error
        self.set_attribute("error.type", error)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        span = self._span
        if span is None:
            yield
            return
        token = span.attach()
        try:
            yield
        finally:
            span.detach(token)

    def end(self, error: BaseException | None = None, time: int | None = None) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        if error is not None and not self._error:
            self.fail(type(error).__name__)
        if self._span is not None:
            with _guard:
                self._span.end(self._error, time)
        if self._manager is not None and self._hook is not None:
            with self._hook:
                # What it returns would have an error go unnoticed.
                trace = error.__traceback__ if error is not None else None
                self._manager.__exit__(type(error) if error is not None else None, error, trace)

    def __enter__(self) -> Span:
        if self._span is not None:
            self._token = self._span.attach()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._span is not None:
            self._span.detach(self._token)
        self.end(error)


class TraceToken:
    """What :func:`set_trace_hook` returns, for :func:`reset_trace_hook`."""

    def __init__(self, former: _Hook | None) -> None:
        self._former = former
        self._is_used = False

    def _use(self) -> _Hook | None:
        if self._is_used:
            raise RuntimeError("reset_trace_hook: this token has been used")
        self._is_used = True
        return self._former


_hook: _Hook | None = None


def set_trace_hook(hook: TraceHook | None) -> TraceToken:
    """Have a function called for each span: ``hook(name, attributes)``.

    It returns a context manager, which is entered where the span begins, and left where it ends.
    What is known only at the end, such as ``http.response.status_code`` and ``error.type``, is in
    the same dictionary by then; and if the context manager gives an object that has a method
    ``set_attribute(name, value)``, that is called as well.

    There's one hook per process, in all its threads, and several may call it at once. It should
    return soon: a WebSocket's end is told by the thread that relays or that talks with the
    supervisor. A request's span may end in another thread than the one in which it began. A hook
    that raises is logged, once, and changes nothing else: neither the request, nor what a caller
    sees.

    :param hook: ``None`` is no hook.
    :return: For :func:`reset_trace_hook`.
    """
    global _hook
    if hook is not None and not callable(hook):
        raise TypeError(f"hook={hook!r}: expected a function of a name and attributes")
    token = TraceToken(_hook)
    _hook = None if hook is None else _Hook(hook)
    return token


def reset_trace_hook(token: TraceToken) -> None:
    """Have the hook again that was there before; spans that have begun end with their own.

    :param token: From :func:`set_trace_hook`.
    :raise RuntimeError: It has been used.
    """
    global _hook
    _hook = token._use()


def trace_span(name: str, attributes: t.Mapping[str, t.Any] | None = None) -> Span:
    """Return a span for a block of the application's own code.

    .. code-block:: python

        with trace_span("report.render", {"report.year": 2025}) as span:
            span.set_attribute("report.pages", render())

    Without a hook and without OpenTelemetry, it costs next to nothing. Any thread may call it.
    """
    return begin_span(name, attributes or {})


def is_wanted() -> bool:
    """Whether anybody wants spans."""
    return _hook is not None or has_tracer()


def begin_span(
    name: str,
    attributes: t.Mapping[str, t.Any],
    kind: str = "internal",
    parent: t.Mapping[str, str] | None = None,
    time: int | None = None,
) -> Span:
    """Begin a span, which needn't end where it began; see :class:`.tracers.Tracer`."""
    if not is_wanted():
        return NOTHING
    return _Live(name, attributes, kind, parent, time)


def for_later() -> dict[str, str] | None:
    """Return what a span that's made later belongs to; ``None`` if nobody wants one."""
    return propagated() if is_wanted() else None


def record(facts: t.Mapping[str, t.Any]) -> None:
    """Make a span of what is over, and of which another process may have told.

    :param facts: ``name``, ``attributes``, ``trace`` as of :func:`for_later`, ``began`` and
        ``ended`` in nanoseconds since 1970, and ``error``.
    """
    span = begin_span(
        facts["name"], facts["attributes"], parent=facts["trace"], time=facts["began"]
    )
    if facts["error"]:
        span.fail(facts["error"])
    span.end(time=facts["ended"])
