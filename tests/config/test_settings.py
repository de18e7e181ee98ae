from __future__ import annotations

import ipaddress
import typing as t

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxsync.config import FluxSyncSettings
from fluxsync.exceptions import ConfigError


def test_defaults() -> None:
    defaults = FluxSyncSettings()

    assert (defaults.gateway_host, defaults.gateway_port) == ("127.0.0.1", 8000)
    assert defaults.api_mount_path == "/api"
    assert defaults.trusted_networks == ()
    assert defaults.source("gateway_port") == "default"


def test_every_setting_is_described() -> None:
    """The reference is made of it."""
    fields = FluxSyncSettings.model_fields

    assert [
        name for name, field in fields.items() if not (field.description or "").endswith(".")
    ] == []


def test_settings_do_not_change() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        FluxSyncSettings().workers = 2


def test_source() -> None:
    assert FluxSyncSettings(workers=2).source("workers") == "code"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param('["a", "b,c"]', id="JSON"),
        pytest.param(["a", "b,c"], id="list"),
        pytest.param(("a", "b,c"), id="tuple"),
    ],
)
def test_list(value: object) -> None:
    assert FluxSyncSettings(streamlit_env=value).streamlit_env == ("a", "b,c")


def test_list_separated_by_commas() -> None:
    assert FluxSyncSettings(streamlit_env=" a, b ,,").streamlit_env == ("a", "b")


@given(st.lists(st.text("abc_*", min_size=1)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lists_mean_the_same_in_every_form(names: list[str]) -> None:
    texts = [",".join(names), str(names).replace("'", '"'), names]

    assert {FluxSyncSettings(streamlit_env=text).streamlit_env for text in texts} == {tuple(names)}


def test_object() -> None:
    config = FluxSyncSettings(streamlit_page_config='{"layout": "wide"}').streamlit_page_config

    assert config == {"layout": "wide"}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        pytest.param("api_mount_path", "v1/api/", "/v1/api", id="mount"),
        pytest.param("root_path", "/", "", id="root path"),
        pytest.param("public_base_url", "https://h/app/", "https://h/app", id="URL"),
        pytest.param("internal_api_base", "", "", id="no URL"),
        pytest.param(
            "streamlit_upstream",
            "http://h:1/, http://[::1]:2",
            ("http://h:1", "http://[::1]:2"),
            id="upstreams",
        ),
        pytest.param("identity_headers", ["X_My-User"], ("x-my-user",), id="headers"),
        pytest.param("gateway_csp_nonce_header", "X_CSP-Nonce", "x-csp-nonce", id="header"),
        pytest.param("app", "path/app.py:app", "path/app.py:app", id="target"),
        pytest.param("gateway_port", "0", 0, id="text for a number"),
        pytest.param("preload", "true", True, id="text for a switch"),
        pytest.param("graceful_timeout_s", "1.5", 1.5, id="seconds"),
        pytest.param("allowed_origins", "https://h", ("https://h",), id="origin"),
        pytest.param(
            "streamlit_run_cli_args",
            ["--theme.base=dark"],
            ("--theme.base=dark",),
            id="Streamlit's options",
        ),
    ],
)
def test_value(name: str, value: object, kept: object) -> None:
    values: dict[str, t.Any] = {name: value}

    assert getattr(FluxSyncSettings(**values), name) == kept


LIST = "a list of texts: JSON, or separated by commas"
URL = "an absolute URL such as https://example.org/app"
ORIGINS = "origins such as https://example.org, separated by commas"
UPSTREAMS = "http://host:port, several separated by commas"
TARGET = "module:attribute or path.py:attribute"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("gateway_port", "80a", "an integer from 0 to 65535", id="port"),
        pytest.param("gateway_port", 65536, "an integer from 0 to 65535", id="port too large"),
        pytest.param("workers", 0, "an integer from 1 to 1024", id="no workers"),
        pytest.param("graceful_timeout_s", -1, "a number from 0", id="negative time"),
        pytest.param("graceful_timeout_s", "nan", "a number from 0", id="time that is none"),
        pytest.param("streamlit_start_timeout_s", 0, "a number over 0 to 3600", id="no time"),
        pytest.param("preload", "perhaps", "true or false", id="switch"),
        pytest.param("log_level", "loud", "one of 'debug', 'info', 'warning'", id="choice"),
        pytest.param("title", 5, "a text", id="text"),
        pytest.param("streamlit_env", 5, LIST, id="list"),
        pytest.param("streamlit_env", [5], LIST, id="list of something else"),
        pytest.param("streamlit_env", "[a]", LIST, id="list that isn't JSON"),
        pytest.param("streamlit_page_config", "{", "a JSON object", id="object that isn't JSON"),
        pytest.param("streamlit_page_config", "[]", "a JSON object", id="no object"),
        pytest.param("root_path", "http://h/a", "a path such as /app", id="URL for a path"),
        pytest.param("root_path", "/a\nb", "a path such as /app", id="line break in a path"),
        pytest.param("api_mount_path", "/", "a path other than '/'", id="Streamlit's mount"),
        pytest.param(
            "api_mount_path",
            "/_stcore",
            "another path, as Streamlit answers this one",
            id="Streamlit's segment",
        ),
        pytest.param("gateway_tunnel_wait_s", 0, "a number from 1 to 55", id="no wait"),
        pytest.param("gateway_tunnel_wait_s", 56, "a number from 1 to 55", id="long wait"),
        pytest.param("gateway_tunnel_timeout_s", "inf", "a number over 0", id="no time-out"),
        pytest.param(
            "gateway_csp_nonce_header", "X-Nonce:", "a header's name such as", id="no name"
        ),
        pytest.param("app", "app", TARGET, id="no attribute"),
        pytest.param("app", ":app", TARGET, id="no module"),
        pytest.param("streamlit_upstream", "https://h:1", UPSTREAMS, id="upstream with TLS"),
        pytest.param("streamlit_upstream", "http://h", UPSTREAMS, id="upstream without port"),
        pytest.param("streamlit_upstream", "http://h:x", UPSTREAMS, id="upstream's port"),
        pytest.param("streamlit_upstream", "http://:1", UPSTREAMS, id="upstream without host"),
        pytest.param("streamlit_upstream", "http://h:1/a", UPSTREAMS, id="upstream with path"),
        pytest.param("public_base_url", "example.org", URL, id="URL without scheme"),
        pytest.param("internal_api_base", "http://", URL, id="URL without host"),
        pytest.param("allowed_origins", "example.org", ORIGINS, id="origin without scheme"),
        pytest.param("allowed_origins", "https://", ORIGINS, id="origin without host"),
        pytest.param("allowed_origins", "https://h/a", ORIGINS, id="origin with path"),
        pytest.param("forwarded_allow_ips", "*", "addresses or networks of your", id="all"),
        pytest.param("forwarded_allow_ips", "proxy", "addresses or networks such as", id="name"),
        pytest.param(
            "streamlit_run_cli_args",
            "--server.port=1",
            "options without --server.port, which fluxsync sets itself",
            id="our option",
        ),
    ],
)
def test_wrong_value(name: str, value: object, expected: str) -> None:
    values: dict[str, t.Any] = {name: value}

    with pytest.raises(ConfigError) as caught:
        FluxSyncSettings(**values)

    assert str(caught.value).startswith(f"{name}={value!r} from code: expected {expected}")


def test_wrong_value_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXSYNC_GATEWAY_PORT", "80a")

    with pytest.raises(ConfigError, match=r"^gateway_port='80a' from environment: expected"):
        FluxSyncSettings()


def test_script_and_upstream_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="choose one"):
        FluxSyncSettings(streamlit_script="a.py", streamlit_upstream="http://h:1")


@pytest.mark.parametrize(
    ("values", "networks"),
    [
        pytest.param({"trust_proxy": True}, ["127.0.0.0/8", "::1/128"], id="this machine"),
        pytest.param({"forwarded_allow_ips": "10.1.2.3/8"}, ["10.0.0.0/8"], id="network"),
        pytest.param({"forwarded_allow_ips": "::1"}, ["::1/128"], id="address"),
        pytest.param(
            {"forwarded_allow_ips": "10.0.0.1", "trust_proxy": True},
            ["10.0.0.1/32"],
            id="networks are more precise",
        ),
    ],
)
def test_trusted_networks(values: dict[str, t.Any], networks: list[str]) -> None:
    trusted = FluxSyncSettings(**values).trusted_networks

    assert trusted == tuple(ipaddress.ip_network(network) for network in networks)


class OwnSettings(FluxSyncSettings):
    """An application may have settings of its own."""

    region: str
    copies: int = 1


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"region": "north", "copies": "x"}, "copies='x' from code: expected an integer"),
        ({}, "region='' from default: expected a value, as there is no default"),
    ],
)
def test_own_settings(values: dict[str, t.Any], complaint: str) -> None:
    own: dict[str, t.Any] = {"region": "north"}
    changed = OwnSettings(**own).with_values(copies=2, title="Own")
    assert (changed.region, changed.copies, changed.title) == ("north", 2, "Own")
    assert changed.source("copies") == "code"

    with pytest.raises(ConfigError) as caught:
        OwnSettings(**values)
    assert str(caught.value) == complaint


def test_password_in_a_url() -> None:
    """It would be in every link, and isn't in the error."""
    with pytest.raises(ConfigError) as caught:
        FluxSyncSettings(public_base_url="https://ada:swordfish@example.org")

    assert str(caught.value) == (
        "public_base_url='https://***@example.org' from code: expected a URL without user and "
        "password, as it's in every link"
    )


@pytest.mark.parametrize(
    ("values", "root", "rule"),
    [
        ({}, "", ""),
        ({"root_path": "/app/"}, "/app", "root_path"),
        ({"root_path": "/"}, "", "root_path"),
        ({"public_base_url": "https://example.org/tools/"}, "/tools", "public_base_url"),
        ({"public_base_url": "https://example.org"}, "", "public_base_url"),
        ({"root_path": "/a", "public_base_url": "https://example.org/a"}, "/a", "root_path"),
    ],
)
def test_root(values: dict[str, str], root: str, rule: str) -> None:
    assert FluxSyncSettings(**values).root[:2] == (root, rule)


@pytest.mark.parametrize(
    "values",
    [
        {"root_path": "https://example.org/app"},
        {"root_path": "/a//b"},
        {"root_path": "/a/../b"},
        {"root_path": "/a?b"},
        {"root_path": "/api"},
        {"root_path": "/static/app"},
        {"root_path": "/tools", "api_mount_path": "/tools/api"},
        {"root_path": "/a", "public_base_url": "https://example.org/b"},
        {"public_base_url": "https://example.org/a/../b"},
        {"public_base_url": "https://example.org/?a"},
        {"public_base_url": "https://example.org/api"},
    ],
)
def test_root_that_cannot_be(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"(root_path|public_base_url)=.* from code: expected"):
        FluxSyncSettings(**values)


def test_secrets() -> None:
    """What logs must not show: secrets, and passwords as they're written and as they're meant."""
    settings = FluxSyncSettings(
        session_secret="s" * 16,
        session_store="postgresql://ada:p%40ss/word@db/x?sslmode=verify-full&sslpassword=other",
        public_base_url="https://example.org",
    )

    assert settings.secrets() == {"s" * 16, "p%40ss/word", "p@ss/word", "other"}
    assert FluxSyncSettings().secrets() == frozenset()
