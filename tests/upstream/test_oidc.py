from __future__ import annotations

import threading
import typing as t

import flask
import pytest

from fluxsync.exceptions import ProviderError, ProviderTimeoutError
from fluxsync.upstream.oidc import get_json, post_token_request
from tests.support.openid import served

if t.TYPE_CHECKING:
    from pathlib import Path

#: Seconds that nobody here needs.
LIMIT = 20.0


@pytest.fixture
def server() -> t.Iterator[str]:
    app = flask.Flask("provider")

    @app.route("/echo", methods=["GET", "POST"])
    def echo() -> t.Any:
        return {
            "form": flask.request.form,
            "authorization": flask.request.headers.get("Authorization"),
        }

    @app.get("/redirect")
    def redirect() -> t.Any:
        return flask.redirect("/echo")

    @app.get("/deep")
    def deep() -> t.Any:
        return "[" * 100_000

    @app.post("/error")
    def error() -> t.Any:
        return {"error": "invalid_grant"}, 400

    with served(app) as url:
        yield url


def test_object(server: str) -> None:
    assert get_json(f"{server}/echo", LIMIT)["form"] == {}


def test_form(server: str) -> None:
    answer = post_token_request(f"{server}/echo", {"a": "ü"}, LIMIT)

    assert answer == (200, {"form": {"a": "ü"}, "authorization": None})


def test_error_is_an_answer(server: str) -> None:
    assert post_token_request(f"{server}/error", {}, LIMIT) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize("path", ["/redirect", "/deep", "/nowhere"])
def test_no_object(server: str, path: str) -> None:
    with pytest.raises(ProviderError):
        get_json(server + path, LIMIT)


def test_passwords_of_the_users_files_are_not_sent(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """requests would take them from ~/.netrc for this host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    assert get_json(f"{server}/echo", LIMIT)["authorization"] is None
    assert post_token_request(f"{server}/echo", {}, LIMIT).content["authorization"] is None


@pytest.mark.parametrize("url", ["http://example.org/", "ftp://localhost/", "localhost", ""])
def test_nobody_in_between(url: str) -> None:
    with pytest.raises(ProviderError, match=r"isn't an https URL$"):
        get_json(url, LIMIT)


def test_secrets_are_in_no_message(server: str) -> None:
    closed = server.rpartition(":")[0] + ":1"

    with pytest.raises(ProviderError) as e:
        post_token_request(
            f"{closed}/token", {"client_secret": "hunter2"}, LIMIT, ("app", "hunter2")
        )

    assert "hunter2" not in str(e.value)


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
def test_server_that_sends_a_byte_now_and_then(status: str) -> None:
    """A limit for silence is none for it."""
    ended = threading.Event()

    def drip(environ: t.Any, start_response: t.Any) -> t.Iterator[bytes]:
        start_response(status, [("Content-Length", "100000"), ("Location", "/")])
        while not ended.wait(0.05):
            yield b" "

    with served(drip) as url:
        try:
            for limit in (0.3, 3.0, 30.0):
                with pytest.raises(ProviderTimeoutError) as caught:
                    get_json(url, limit)
                if "doesn't answer" not in str(caught.value):
                    break  # else the machine was too busy for the first byte
            assert "takes too long" in str(caught.value)
        finally:
            ended.set()


@pytest.mark.parametrize("host", ["a" * 70 + ".example", ".example", "x:0"])
def test_host_that_is_none(host: str) -> None:
    with pytest.raises(ProviderError, match="can't be reached"):
        get_json(f"https://{host}/", LIMIT)
