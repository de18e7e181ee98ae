from __future__ import annotations

import typing as t

import pytest

from fluxsync import FluxSync
from fluxsync.api.websockets import WebSocketRoutes
from fluxsync.exceptions import ApiError


def handler(ws: t.Any) -> None: ...


def room_handler(ws: t.Any, room: int, name: str = "") -> None: ...


async def coroutine(ws: t.Any) -> None: ...


@pytest.mark.parametrize(
    ("path", "found", "arguments"),
    [
        ("/echo", "/echo", {}),
        ("/echo/", None, None),
        ("/rooms/7", "/rooms/<int:room>", {"room": 7}),
        ("/rooms/7/", None, None),
        ("/rooms/x", None, None),
        ("/rooms/7/日".encode().decode("latin-1"), "/rooms/<int:room>/<name>", None),
        ("/rooms/7/\xff", None, None),
        ("", None, None),
        ("/", None, None),
    ],
)
def test_match(path: str, found: str | None, arguments: dict[str, object] | None) -> None:
    routes = WebSocketRoutes()
    assert not routes
    routes.add("/echo", handler)
    routes.add("/rooms/<int:room>", room_handler, ["b", "a"])
    routes.add("/rooms/<int:room>/<name>", room_handler)
    match = routes.match(path)

    assert routes
    if found is None:
        assert match is None
        return
    assert match is not None
    assert match.handler is (handler if found == "/echo" else room_handler)
    assert match.arguments == (arguments if arguments is not None else {"room": 7, "name": "日"})
    assert match.subprotocols == (("b", "a") if found == "/rooms/<int:room>" else ())


@pytest.mark.parametrize(
    ("path", "function", "subprotocols", "message"),
    [
        ("echo", handler, [], "path='echo': expected a path that begins with '/'"),
        (None, handler, [], "path=None: expected a path"),
        ("/taken", handler, [], "there is a handler for it already"),
        ("/<int:", handler, [], "malformed|Malformed"),
        ("/<nonsense:x>", handler, [], "nonsense"),
        ("/x", "text", [], "expected a function, got 'text'"),
        ("/x", coroutine, [], "coroutine is a coroutine function"),
        ("/<room>", handler, [], r"expected handler\(ws, room\)"),
        ("/x", room_handler, [], r"expected room_handler\(ws\)"),
        ("/x", lambda: None, [], r"<lambda>\(ws\)"),
        ("/x", handler, "chat", "subprotocols='chat': expected a list"),
        ("/x", handler, 3, "subprotocols=3: expected a list"),
        ("/x", handler, ["a b"], "'a b': expected a name without spaces"),
        ("/x", handler, [""], "'': expected a name"),
    ],
)
def test_wrong(path: t.Any, function: t.Any, subprotocols: t.Any, message: str) -> None:
    routes = WebSocketRoutes()
    routes.add("/taken", handler)
    with pytest.raises(ApiError, match=message) as error:
        routes.add(path, function, subprotocols)

    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"websocket path={path!r}: ")
    assert routes.match("/x") is None
    routes.add("/x", handler)
    assert routes.match("/x") is not None


def test_decorator_returns_the_function() -> None:
    assert FluxSync().websocket("/x")(handler) is handler
