"""Handlers of the API's WebSockets, and which of them a path belongs to."""

from __future__ import annotations

import inspect
import typing as t

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from ..exceptions import ApiError
from ..sansio import headers as _headers

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Handler = Callable[..., object]
    HandlerT = t.TypeVar("HandlerT", bound="Callable[..., object]")


class Match(t.NamedTuple):
    """A handler, and what it's to be called with."""

    handler: Handler
    #: From the path, converted.
    arguments: t.Mapping[str, t.Any]
    #: What the handler speaks; the client's first one of them is chosen.
    subprotocols: tuple[str, ...]


class WebSocketRoutes:
    """The handlers that were registered, by path below the API's mount."""

    def __init__(self) -> None:
        # A WebSocket can't follow a redirect.
        self._map = Map(strict_slashes=False, merge_slashes=False)
        self._adapter = self._map.bind("localhost")
        self._found: dict[str, tuple[Handler, tuple[str, ...]]] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)

    def add(self, path: str, handler: HandlerT, subprotocols: Sequence[str] = ()) -> HandlerT:
        """Register a handler.

        :param path: Below the API's mount, with Werkzeug's converters: ``/rooms/<int:room>``.
        :param handler: Called with the WebSocket and, by name, what is in the path.
        :param subprotocols: What it speaks (RFC 6455 1.9).
        :raise ApiError: Something about them is wrong.
        """
        shown = f"websocket path={path!r}"
        given: t.Any = path
        if not isinstance(given, str) or not given.startswith("/"):
            raise ApiError(f"{shown}: expected a path that begins with '/'")
        if path in self._found:
            raise ApiError(f"{shown}: there is a handler for it already")
        protocols = _check_subprotocols(shown, subprotocols)
        rule = Rule(path, endpoint=path)
        try:
            # In another map first: one that it has been added to keeps it, right or wrong.
            Map([rule])
        except (ValueError, LookupError) as e:
            raise ApiError(f"{shown}: {e}") from e
        _check_handler(shown, handler, rule.arguments)
        self._found[path] = handler, protocols
        self._map.add(rule.empty())
        return handler

    def match(self, path: str) -> Match | None:
        """Return what serves a path, or ``None``.

        :param path: Below the API's mount, as in ``PATH_INFO`` (PEP 3333).
        """
        try:
            text = path.encode("latin-1").decode()
            endpoint, arguments = self._adapter.match(text, method="GET")
        except (HTTPException, UnicodeError):
            return None
        handler, subprotocols = self._found[endpoint]
        return Match(handler, arguments, subprotocols)


def _check_subprotocols(shown: str, subprotocols: Sequence[str]) -> tuple[str, ...]:
    names: t.Any = subprotocols
    if isinstance(names, str) or not isinstance(names, t.Iterable):
        raise ApiError(f"{shown}: subprotocols={subprotocols!r}: expected a list of names")
    for name in names:
        # RFC 6455 4.1: tokens, as fields' names are.
        if not isinstance(name, str) or not name or not _headers.is_name(name):
            raise ApiError(f"{shown}: subprotocols has {name!r}: expected a name without spaces")
    return tuple(names)


def _check_handler(shown: str, handler: object, arguments: t.Collection[str]) -> None:
    if not callable(handler):
        raise ApiError(f"{shown}: expected a function, got {handler!r}")
    name = getattr(handler, "__qualname__", repr(handler))
    if inspect.iscoroutinefunction(handler):
        raise ApiError(f"{shown}: {name} is a coroutine function; expected a plain one")
    try:
        inspect.signature(handler).bind(None, **dict.fromkeys(arguments))
    except TypeError as e:
        wanted = ", ".join(("ws", *sorted(arguments)))
        raise ApiError(f"{shown}: expected {name}({wanted}): {e}") from e
    except ValueError:
        pass  # compiled code that doesn't say
