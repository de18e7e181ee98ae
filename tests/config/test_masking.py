from __future__ import annotations

import typing as t

import pytest

from fluxsync import ConfigError, FluxSyncSettings


@pytest.mark.parametrize(
    ("name", "value", "shown", "secrets"),
    [
        pytest.param(
            "streamlit_run_cli_args",
            ("--server.cookieSecret", "planted1", "--a.b=1", "--mapbox.token=planted2", "--c", "2"),
            ("--server.cookieSecret", "***", "--a.b=1", "--mapbox.token=***", "--c", "2"),
            {"planted1", "planted2"},
            id="options",
        ),
        pytest.param(
            "streamlit_run_cli_args",
            ("--server.enableStaticServing", "--a.secret", "--b", "c"),
            ("--server.enableStaticServing", "--a.secret", "--b", "c"),
            set(),
            id="option without a value",
        ),
        pytest.param(
            "security_headers",
            {"X-Api-Key": "planted1", "X-Frame-Options": "DENY"},
            {"X-Api-Key": "***", "X-Frame-Options": "DENY"},
            {"planted1"},
            id="header fields",
        ),
    ],
)
def test_what_belongs_to_a_telling_name(
    name: str, value: t.Any, shown: object, secrets: set[str]
) -> None:
    settings = FluxSyncSettings(enable_security_headers=True, **{name: value})

    assert settings.shown(name) == shown
    assert settings.secrets() == secrets


@pytest.mark.parametrize("value", ["http://a:planted@b", ["http://a:planted@b"]], ids=type)
def test_passwords_in_lists_of_urls(value: object) -> None:
    settings = FluxSyncSettings(allowed_origins=value)

    assert settings.shown("allowed_origins") == ("http://***@b",)
    assert settings.secrets() == {"planted"}


@pytest.mark.parametrize("name", ["cors_allow_origins", "streamlit_upstream"])
def test_refused_password_is_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match=r"http://\*\*\*@b") as caught:
        FluxSyncSettings(**{name: "http://a:planted@b"})

    assert "planted" not in str(caught.value)


def test_error_does_not_tell() -> None:
    with pytest.raises(ConfigError) as caught:
        FluxSyncSettings(streamlit_run_cli_args='["--server.cookieSecret", "planted1", 3]')

    assert "planted1" not in str(caught.value)
    assert "streamlit_run_cli_args" in str(caught.value)
