"""Places and lines; tests/live/test_protection.py has them under servers."""

from __future__ import annotations

import threading
import typing as t

import flask
import pytest

from fluxsync.gateway.admission import Place, Places
from fluxsync.gateway.calls import CALL
from fluxsync.gateway.errors import Failure
from tests.support.inprocess import Site, flask_api
from tests.support.upstream import FakeStreamlit
from tests.support.waiting import eventually

API: dict[str, t.Any] = {"api_max_concurrent_requests": 1, "gateway_queue_size": 0}
STREAMLIT: dict[str, t.Any] = {"gateway_max_concurrent_upstream_http": 1, "gateway_queue_size": 0}


def waiting(places: Places) -> int:
    """Return how many wait, of which nobody but a test wants to know."""
    return sum(len(line._queue._waiting) for line in places._lines.values())


class Waiter:
    """A thread that wants a place."""

    def __init__(self, places: Places) -> None:
        self.place: Place | None = None
        self.failure: Failure | None = None
        self._places = places
        self.thread = threading.Thread(target=self._take)
        self.thread.start()

    def _take(self) -> None:
        try:
            self.place = self._places.take()
        except Failure as e:
            self.failure = e

    def wait(self) -> Place:
        """Return the place."""
        self.thread.join(10)
        assert self.place is not None, self.failure
        return self.place


def test_first_come_first_served() -> None:
    places = Places(1, 2, 20.0, "a_setting")
    held = places.take()
    first = Waiter(places)
    eventually(lambda: waiting(places) == 1, 10)
    second = Waiter(places)
    eventually(lambda: waiting(places) == 2, 10)
    with pytest.raises(Failure) as refused:
        places.take()

    held.leave()
    held.leave()  # once more does nothing
    place = first.wait()
    assert waiting(places) == 1
    place.leave()
    second.wait().leave()
    places.take().leave()
    assert (refused.value.status, refused.value.headers) == (503, [("Retry-After", "1")])
    assert "a_setting" in refused.value.detail
    assert refused.value.kind == "busy"


def test_nobody_waits_for_ever() -> None:
    places = Places(1, 1, 0.01, "a_setting")
    held = places.take()

    with pytest.raises(Failure):
        places.take()
    assert waiting(places) == 0
    held.leave()
    places.take().leave()


def test_a_turn_that_comes_as_somebody_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """gunicorn ends a worker, or gevent a greenlet, with an exception anywhere."""
    places = Places(1, 1, 20.0, "a_setting")
    held = places.take()

    class Stopped(BaseException):
        pass

    def stop(self: threading.Event, timeout: float | None = None) -> bool:
        held.leave()
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", stop)
        with pytest.raises(Stopped):
            places.take()
    places.take().leave()


def test_never_more_than_there_are() -> None:
    places = Places(3, 100, 20.0, "a_setting")
    lock = threading.Lock()
    inside, most = 0, 0

    def visit() -> None:
        nonlocal inside, most
        for _ in range(50):
            place = places.take()
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1
            place.leave()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert inside == 0
    assert 1 <= most <= 3
    assert [places.take() for _ in range(3)]  # all are free again


def test_a_fork_has_places_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(1, 0, 1.0, "a_setting")
    places.take()

    monkeypatch.setattr("os.getpid", lambda: -1)
    places.take().leave()


def api_with_events() -> flask.Flask:
    api = flask_api()

    @api.get("/events")
    def events() -> flask.Response:
        return flask.Response(iter(["data: 1\n\n", "data: 2\n\n"]), mimetype="text/event-stream")

    return api


@pytest.mark.parametrize(
    "leave", [lambda r: r.close(), lambda r: r.data], ids=["goes away", "reads it all"]
)
def test_a_stream_has_its_place_until_it_is_closed(leave: t.Callable[[t.Any], object]) -> None:
    with Site(api_with_events(), **API) as site:
        streaming = site.open("/api/events", buffered=False)
        refused = site.open("/api/length")
        unaffected = [site.open(path).status_code for path in ("/healthz", "/__fluxsync/shim.js")]
        call = site.open("/api/length", environ={CALL: True, "REMOTE_ADDR": ""})
        leave(streaming)
        streaming.close()
        again = site.open("/api/length")

    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    assert unaffected == [200, 200]
    assert (call.status_code, again.status_code) == (200, 200)


def test_errors_give_the_place_back() -> None:
    def api(environ: t.Any, start_response: t.Any) -> t.Any:
        if environ["PATH_INFO"] == "/boom":
            raise RuntimeError("boom")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    with Site(api, **API, api_max_request_body_bytes=10) as site:
        for _ in range(2):
            with pytest.raises(RuntimeError):
                site.open("/api/boom")
            assert site.open("/api/a", "POST", data=b"x" * 11).status_code == 413
            assert site.open("/api/a").status_code == 200


def test_streamlit_has_places_of_its_own(upstream: FakeStreamlit) -> None:
    page = [("Accept", "text/html")]
    with Site(upstream=upstream.url, **STREAMLIT) as site:
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(site.open("/slow/20").status_code))
        thread.start()
        upstream.wait_for_request("/slow/20")
        refused = site.open("/echo", headers=page)
        api = site.open("/api/length")
        upstream.release.set()
        thread.join(20)
        again = site.open("/echo")

    assert refused.status_code == 503
    assert refused.content_type == "text/html; charset=utf-8"
    assert "gateway_max_concurrent_upstream_http" in refused.text
    assert answers == [200]
    assert (api.status_code, again.status_code) == (200, 200)


@pytest.mark.parametrize(
    "path", ["/garbage", "/nothing", "/redirect?to=/a", "/status/304", "/html"]
)
def test_every_answer_of_streamlit_gives_the_place_back(upstream: FakeStreamlit, path: str) -> None:
    with Site(upstream=upstream.url, **STREAMLIT) as site:
        first = site.open(path, headers=[("Accept", "text/html")])
        assert first.status_code != 503
        assert site.open("/echo").status_code == 200
        site.open("/bytes/100000", buffered=False).close()
        assert site.open("/echo").status_code == 200
