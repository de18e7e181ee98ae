"""Hooks, and what goes on whatever they do."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
import typing as t

import flask
import pytest

from fluxsync import FluxSync, reset_trace_hook, set_trace_hook, trace_span
from fluxsync.telemetry import tracers, tracing
from fluxsync.testing import Answer, FakeStreamlit, FluxSyncTestClient
from tests.support.processes import ROOT
from tests.test_docs import code_blocks

if t.TYPE_CHECKING:
    from collections.abc import Iterator

Seen: t.TypeAlias = "list[tuple[str, dict[str, t.Any]]]"


@pytest.fixture
def seen() -> Iterator[Seen]:
    """What a hook has seen: names and attributes of spans, in the order of their ends."""
    ended: Seen = []

    @contextlib.contextmanager
    def hook(name: str, attributes: dict[str, t.Any]) -> Iterator[None]:
        try:
            yield
        finally:
            ended.append((name, attributes))

    token = set_trace_hook(hook)
    yield ended
    reset_trace_hook(token)


def make() -> FluxSync:
    app = FluxSync()
    api: flask.Flask = app.api

    @api.get("/users")
    def users() -> list[str]:
        with trace_span("users.find", {"limit": 2}) as span:
            span.set_attribute("found", 1)
        return ["Ada"]

    @api.get("/fails")
    def fails() -> str:
        raise ValueError("secret")

    @api.get("/breaks")
    def breaks() -> t.Any:
        def lines() -> Iterator[bytes]:
            yield b"one"
            raise KeyError("secret")

        return api.response_class(lines())

    return app


def test_api(seen: Seen) -> None:
    with FluxSyncTestClient(make()) as client:
        assert client.api.get("/users", headers={"X-Request-Id": "i"}).json == ["Ada"]

    assert seen == [
        ("users.find", {"limit": 2, "found": 1}),
        (
            "fluxsync.api",
            {
                "http.request.method": "GET",
                "url.path": "/users",
                "fluxsync.request_id": "i",
                "http.response.status_code": 200,
            },
        ),
        (
            "fluxsync.gateway.request",
            {
                "fluxsync.dispatch": "api",
                "fluxsync.request_id": "i",
                "http.request.method": "GET",
                "url.scheme": "http",
                "url.path": "/api/users",
                "client.address": "127.0.0.1",
                "http.response.status_code": 200,
            },
        ),
    ]


def test_streamlit(seen: Seen) -> None:
    """And a query has no secrets in it; a client's fields go on as they came."""
    sent = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
    with (
        FakeStreamlit() as streamlit,
        FluxSyncTestClient(make(), streamlit_upstream=streamlit) as client,
    ):
        streamlit.answers["/page"] = Answer(status=404)
        client.http.get("/page?token=secret&a=b", headers=sent)
        request = streamlit.requests[-1]

    assert request.header("traceparent") == sent["traceparent"]
    (upstream, facts), (name, whole) = seen
    assert (upstream, name) == ("fluxsync.gateway.upstream_http", "fluxsync.gateway.request")
    assert facts["url.full"] == f"{streamlit.url}/page?token=***&a=b"
    assert (facts["http.response.status_code"], facts["error.type"]) == (404, "404")
    # It's the client's mistake, not ours.
    assert whole["http.response.status_code"] == 404
    assert "error.type" not in whole
    assert whole["fluxsync.dispatch"] == "streamlit"


def test_streamlit_that_is_gone(seen: Seen) -> None:
    with FakeStreamlit() as streamlit:
        url = streamlit.url
    with FluxSyncTestClient(make(), streamlit_upstream=url) as client:
        assert client.http.get("/page").status_code == 502

    (_, upstream), (_, whole) = seen
    assert upstream["error.type"] == "unreachable"
    assert whole["error.type"] == "502"


def test_websocket_of_the_api_that_is_refused(seen: Seen) -> None:
    """It's the client's mistake."""
    app = make()
    app.websocket("/echo")(lambda ws: None)
    with FluxSyncTestClient(app) as client:
        assert client.api.get("/echo").status_code == 426

    for _, facts in seen:
        assert facts["http.response.status_code"] == 426
        assert "error.type" not in facts


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_failures(seen: Seen) -> None:
    with FluxSyncTestClient(make()) as client:
        assert client.api.get("/fails").status_code == 500
        with pytest.raises(KeyError):
            client.api.get("/breaks").get_data()
        assert client.http.get("/").status_code == 503

    api, request, broken, broken_request, nothing = [facts for _, facts in seen]
    assert api["error.type"] == request["error.type"] == "500"
    assert broken["error.type"] == "KeyError"
    assert (broken_request["http.response.status_code"], broken_request["error.type"]) == (
        200,
        "aborted",
    )
    assert nothing["error.type"] == "503"
    assert "secret" not in str(seen)


def test_hook_is_seen_in_threads_and_reset() -> None:
    names: list[str] = []

    def hook(name: str, attributes: dict[str, t.Any]) -> t.Any:
        names.append(name)
        return contextlib.nullcontext()

    def work(name: str) -> None:
        with trace_span(name):
            pass

    def in_thread(name: str) -> None:
        thread = threading.Thread(target=work, args=[name])
        thread.start()
        thread.join()

    outer = set_trace_hook(hook)
    in_thread("one")
    inner = set_trace_hook(None)
    in_thread("two")
    reset_trace_hook(inner)
    in_thread("three")
    reset_trace_hook(outer)
    in_thread("four")

    assert names == ["one", "three"]
    with pytest.raises(RuntimeError, match="used"):
        reset_trace_hook(outer)
    with pytest.raises(TypeError, match="'hook'"):
        set_trace_hook(t.cast("t.Any", "hook"))


class Fails:
    """A hook that fails in the places that it's told."""

    def __init__(self, *places: str) -> None:
        self.places = places

    def _at(self, place: str) -> None:
        if place in self.places:
            raise ZeroDivisionError(place)

    def __call__(self, name: str, attributes: dict[str, t.Any]) -> Fails:
        self._at("call")
        return self

    def __enter__(self) -> Fails:
        self._at("enter")
        return self

    def __exit__(self, *error: object) -> bool:
        self._at("exit")
        return True  # which must not hide an error

    @property
    def set_attribute(self) -> t.Callable[[str, t.Any], None]:
        self._at("property")
        return lambda name, value: self._at("attribute")


@pytest.mark.parametrize("place", ["call", "enter", "property", "attribute", "exit"])
def test_failing_hook_breaks_nothing(caplog: pytest.LogCaptureFixture, place: str) -> None:
    token = set_trace_hook(Fails(place))
    try:
        with FluxSyncTestClient(make()) as client:
            for _ in range(3):
                assert client.api.get("/users").json == ["Ada"]
        with pytest.raises(LookupError), trace_span("own"):
            raise LookupError
    finally:
        reset_trace_hook(token)

    said = [record for record in caplog.records if record.name == "fluxsync.tracing"]
    assert [record.getMessage() for record in said] == [
        "the trace hook failed; further failures of it aren't logged"
    ]


def test_hook_that_takes_note_by_itself() -> None:
    """It gets what's known at the end as attributes of what it gives, and sees errors."""
    noted: list[t.Any] = []

    class Hook(Fails):
        def set_attribute(self, name: str, value: t.Any) -> None:
            noted.append((name, value))

        def __exit__(self, *error: object) -> bool:
            noted.append(error[0])
            return True

    token = set_trace_hook(Hook())

    def fail() -> None:
        with trace_span("own") as span:
            span.set_attribute("a", 1)
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    reset_trace_hook(token)

    assert noted == [("a", 1), ("error.type", "LookupError"), LookupError]


def test_own_span_ends_once(seen: Seen) -> None:
    with trace_span("own") as span:
        span.end()

    assert [name for name, _ in seen] == ["own"]


def test_nothing_is_made_for_nobody() -> None:
    assert not tracing.is_wanted()
    assert trace_span("a") is trace_span("b", {"c": 1})
    assert tracers.propagated() == {}
    assert tracing.for_later() is None


def test_off_imports_nothing() -> None:
    """Neither the packages, nor what would use them."""
    code = """
import sys
import fluxsync
from fluxsync import FluxSync
from fluxsync.testing import FluxSyncTestClient
app = FluxSync()
with FluxSyncTestClient(app) as client:
    assert client.http.get("/healthz").status_code == 200
    client.client().get("/nothing")
with fluxsync.trace_span("own"):
    pass
found = [name for name in sys.modules if "opentelemetry" in name]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_failing_tracer_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> t.Any:
        raise ZeroDivisionError

    tracers.set_tracer(fail)
    try:
        for _ in range(2):
            with FluxSyncTestClient(make()) as client:
                assert client.api.get("/users").json == ["Ada"]
    finally:
        tracers.set_tracer(None)

    said = [record for record in caplog.records if record.name == "fluxsync.tracing"]
    assert len(said) == 1


DOCUMENTATION = (ROOT / "docs" / "tracing.rst").read_text(encoding="utf-8")


def test_documented_code(capsys: pytest.CaptureFixture[str]) -> None:
    source = code_blocks(DOCUMENTATION)
    token = set_trace_hook(None)
    try:
        exec(source, {"render": list})
    finally:
        reset_trace_hook(token)

    said = capsys.readouterr().out
    assert re.fullmatch(r"report\.render 0\.\d+ s \{.*'report\.pages': 12\}\n", said)


def test_documented_names() -> None:
    """Of spans and attributes, each one that code has, and no other."""
    package = ROOT / "fluxsync"
    modules = ["pages/spans.py", "telemetry/spans.py", "gateway/apisockets.py"]
    code = "".join((package / name).read_text(encoding="utf-8") for name in modules)
    pattern = r"%s(fluxsync\.(?!opentelemetry)[a-z_]+(?:\.[a-z_]+)?|(?:http|url|client|server)\.[a-z_.]+)%s"
    used = {*re.findall(pattern % ('"', '"'), code)}
    documented = {*re.findall(pattern % ("``", "``"), DOCUMENTATION)}

    assert used == documented
