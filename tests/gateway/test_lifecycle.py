"""When a gateway is made; tests/live has it started, under each server."""

from __future__ import annotations

import os
import sys
import types
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxsync import FluxSyncSettings
from fluxsync.api.websockets import WebSocketRoutes
from fluxsync.bridges import serverlogs
from fluxsync.bridges.host import Host
from fluxsync.config.advice import StartRefused
from fluxsync.exceptions import ApiError, TargetError
from fluxsync.gateway import lifecycle
from fluxsync.gateway.assembly import build_gateway
from fluxsync.gateway.lifecycle import Lifecycle
from tests.support.inprocess import flask_api
from tests.support.waiting import eventually

if t.TYPE_CHECKING:
    from fluxsync.gateway.application import Gateway

HOST = Host("gunicorn master", os.getpid(), "http://127.0.0.1:9")
UPSTREAM = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def logged(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Whose settings logs were set up with; in this process, they stay as they are."""
    found: list[object] = []
    monkeypatch.setattr(serverlogs, "configure", found.append)
    return found


def make(application: object = None, target: str | None = None, **settings: t.Any) -> Lifecycle:
    return Lifecycle(
        FluxSyncSettings(**settings), application, target, flask_api(), WebSocketRoutes()
    )


def test_one_gateway(logged: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests come first at once."""
    made = make(streamlit_upstream=UPSTREAM)
    assert made.gateway is None

    def build(*args: t.Any) -> Gateway:
        eventually(lambda: len(logged) == 4)  # the others are on their way here
        return build_gateway(*args)

    monkeypatch.setattr(lifecycle, "build_gateway", build)
    with ThreadPoolExecutor(4) as pool:
        gateways = set(pool.map(lambda _: made.begin(HOST), range(4)))

    assert gateways == {made.gateway}


def test_strict_start() -> None:
    made = make(streamlit_upstream=UPSTREAM, strict_startup=True, trust_proxy=True)
    with pytest.raises(StartRefused):
        made.begin(HOST)
    assert made.gateway is None


def test_waitress(monkeypatch: pytest.MonkeyPatch, logged: list[object]) -> None:
    """It loads an application in its only process, and doesn't wait for a request to refuse it."""
    strict = make(strict_startup=True, trust_proxy=True)
    strict.join_server()
    assert not logged
    monkeypatch.setitem(sys.modules, "waitress.runner", types.ModuleType("waitress.runner"))
    with pytest.raises(StartRefused):
        strict.join_server()
    assert len(logged) == 1


def test_another_api() -> None:
    """It may come before the gateway and after it, and not once requests were answered."""
    made = make(streamlit_upstream=UPSTREAM)
    made.replace_api(flask_api())
    gateway = made.begin(HOST)
    made.replace_api(flask_api())
    gateway.start_api()
    with pytest.raises(ApiError):
        made.replace_api(flask_api())
    gateway.end_api()


@pytest.mark.parametrize(
    ("target", "settings", "expected"),
    [
        pytest.param("mine:app", {"app": "other:app"}, "mine:app", id="the program says it"),
        pytest.param(None, {"app": "other:app"}, "other:app", id="the settings say it"),
        pytest.param(None, {}, "shop:app", id="it is found"),
        pytest.param("mine:app", {"streamlit_script": "page.py"}, "", id="a script"),
        pytest.param("mine:app", {"streamlit_upstream": UPSTREAM}, "", id="a server"),
    ],
)
def test_name(
    target: str | None,
    settings: dict[str, t.Any],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All processes of an application have the same one, and without a server there is none."""
    application, shop = object(), types.ModuleType("shop")
    monkeypatch.setattr(shop, "app", application, raising=False)
    monkeypatch.setitem(sys.modules, "shop", shop)
    made = make(application, target, **settings)
    assert made.served_name() is None
    monkeypatch.setenv("_FLUXSYNC_PAGES", "1")
    assert made.served_name() == expected


def test_too_early_to_know_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server is loading a module that has yet to get the object as an attribute."""
    monkeypatch.setenv("IN_PASSENGER", "1")
    made = make(object())
    made.start_with_server()
    assert made.gateway is None
    with pytest.raises(TargetError):
        made.begin()
