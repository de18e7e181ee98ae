"""Call a page's function with what its plan says, and clean up behind it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import typing as t

from ..exceptions import PageError
from .annotations import code_of, name_of
from .endings import is_asked_for
from .plans import Dependency, Plan, Provided, QueryModel, State, Text
from .session_state import SessionModel
from .values import query_model, state_model, text_value

if t.TYPE_CHECKING:
    from .plans import Source
    from .values import Texts

#: What stands in for dependencies in tests, with its plan.
Overrides: t.TypeAlias = "t.Mapping[t.Any, tuple[t.Callable[..., t.Any], Plan]]"

_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("fluxsync_run", default=None)


class Run:
    """One run of a page, or of a fragment, in the thread of that run.

    :param st: The :mod:`streamlit` module.
    :param texts: Where query parameters, header fields and cookies are looked up.
    :param overrides: What tests put in the place of dependencies.
    """

    def __init__(self, st: t.Any, texts: Texts, overrides: Overrides) -> None:
        self._st = st
        self._texts = texts
        self._overrides = overrides
        self._values: dict[t.Any, t.Any] = {}
        self._stack = contextlib.ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    @staticmethod
    def current() -> Run | None:
        """Return the run of this thread, or ``None`` outside of pages."""
        return _current.get()

    def __enter__(self) -> Run:
        self._token = _current.set(self)
        return self

    def __exit__(self, kind: t.Any, error: BaseException | None, traceback: t.Any) -> None:
        # st.stop(), st.rerun() and st.switch_page() are how a page ends that is done. Where
        # Streamlit interrupts a page, as the user went on or away, dependencies see that.
        if error is not None and is_asked_for(error):
            kind = error = traceback = None
        try:
            self._stack.__exit__(kind, error, traceback)
        finally:
            _current.reset(self._token)
            if self._loop is not None:
                _close(self._loop)

    def call(
        self, function: t.Callable[..., t.Any], plan: Plan, *args: t.Any, **given: t.Any
    ) -> t.Any:
        """Call a function with what its plan says, and what is given besides.

        :raise PageInputError: A query parameter, header field or cookie is wrong or missing.
        """
        values = {name: self._value(source) for name, source in plan.sources.items()}
        value = function(*args, **values, **given)
        return self._await(value) if inspect.isawaitable(value) else value

    def _value(self, source: Source) -> t.Any:
        if isinstance(source, Dependency):
            return self._dependency(source)
        if isinstance(source, Provided):
            return source.get()
        if isinstance(source, Text):
            return text_value(source, self._texts)
        if isinstance(source, QueryModel):
            return query_model(source, self._texts)
        assert isinstance(source, State)
        reader = SessionModel(self._st, extra=source.marker.extra)
        return reader if source.model is None else state_model(reader, source.model)

    def _dependency(self, source: Dependency) -> t.Any:
        key = source.key
        if source.use_cache and key in self._values:
            return self._values[key]
        function, plan = self._overrides.get(key, (source.function, source.plan))
        value = self._entered(self.call(function, plan), function)
        if source.use_cache:
            self._values[key] = value
        return value

    def _entered(self, value: t.Any, function: t.Callable[..., t.Any]) -> t.Any:
        """Return what a generator function yields, and have the rest of it run at the end."""
        code = code_of(function)
        if inspect.isgeneratorfunction(code):
            manager = contextlib.contextmanager(lambda: value)()
            return self._enter(manager.__enter__, manager.__exit__, function)
        if inspect.isasyncgenfunction(code):
            asynchronous = contextlib.asynccontextmanager(lambda: value)()
            return self._enter(
                lambda: self._await(asynchronous.__aenter__()),
                lambda *error: self._await(asynchronous.__aexit__(*error)),
                function,
            )
        return value

    def _enter(
        self,
        enter: t.Callable[[], t.Any],
        leave: t.Callable[..., bool | None],
        function: t.Callable[..., t.Any],
    ) -> t.Any:
        try:
            value = enter()
        except RuntimeError as e:
            if "didn't yield" not in str(e):
                raise
            raise PageError(f"dependency {name_of(function)} yields nothing") from None
        self._stack.push(leave)
        return value

    def _await(self, value: t.Awaitable[t.Any]) -> t.Any:
        """Run a coroutine in this thread, so that Streamlit's commands work in it.

        All of one run share an event loop: what one of them opens, others may use.

        :raise PageError: It's running already, as the page itself is a coroutine.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        if self._loop.is_running():
            if inspect.iscoroutine(value):
                value.close()
            raise PageError(
                "app.inject() can't wait for what is async while the page is: have the page "
                "depend on it, or make the page a plain function"
            )

        async def run() -> t.Any:
            return await value

        return self._loop.run_until_complete(run())


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """End what still runs in an event loop, and close it."""

    async def end() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_asyncgens()
        await loop.shutdown_default_executor()

    try:
        loop.run_until_complete(end())
    finally:
        loop.close()
