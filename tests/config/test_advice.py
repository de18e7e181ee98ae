from __future__ import annotations

import importlib.util
import re
import typing as t
from pathlib import Path

import pytest

from fluxsync.config import FluxSyncSettings
from fluxsync.config.advice import RULES, Level, StartRefused, advise, enforce
from tests.support.processes import ROOT

SECRET = "0123456789abcdef0123456789abcdef"
#: As documented, for a proxy on the same machine that publishes under a path.
SUBPATH: dict[str, t.Any] = {
    "root_path": "/app",
    "public_base_url": "https://example.org/app",
    "trust_proxy": True,
    "gateway_max_proxy_request_body_bytes": 209715200,
}
LOGIN = {"oidc_bff_secret": SECRET}
HEADERS = {"enable_security_headers": True}


def codes(environ: dict[str, str] | None = None, **values: t.Any) -> list[str]:
    return [advice.code for advice in advise(FluxSyncSettings(**values), environ or {})]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="nothing is set"),
        pytest.param({"gateway_host": "0.0.0.0"}, id="in a container"),
        pytest.param(SUBPATH, id="under a path"),
        pytest.param({**SUBPATH, **LOGIN}, id="logins under a path"),
        pytest.param({"public_base_url": "https://example.org"}, id="a name of its own"),
        pytest.param({"debug": True, "enable_gateway_prometheus_metrics": True}, id="on loopback"),
        pytest.param({**SUBPATH, "allowed_hosts": "example.org"}, id="its own host"),
        pytest.param({**HEADERS, "cors_allow_origins": "https://a.example"}, id="CORS"),
        pytest.param({"gateway_upstream_read_timeout_s": 0}, id="no time-out at all"),
        pytest.param(
            {**HEADERS, "content_security_policy": "style-src 'self' 'unsafe-inline'"}, id="policy"
        ),
        pytest.param(
            {"gateway_host": "0.0.0.0", "forwarded_allow_ips": "10.0.0.0/8"}, id="networks"
        ),
    ],
)
def test_nothing_is_wrong(values: dict[str, t.Any]) -> None:
    assert codes(**values) == []


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"forwarded_allow_ips": "0.0.0.0/0"}, "trusts_everyone", "forwarded_allow_ips=0.0.0.0/0"),
        ({"forwarded_allow_ips": "::/0"}, "trusts_everyone", "forwarded_allow_ips=::/0"),
        (
            {**SUBPATH, "root_path": "/"},
            "public_base_url_path_mismatch",
            "the path /app, and root_path says /:",
        ),
        (
            {**SUBPATH, "allowed_hosts": "other.example"},
            "public_base_url_not_allowed",
            "allowed_hosts refuses",
        ),
        ({"debug": True, "gateway_host": "::"}, "open_operations", "debug is set without a token"),
        (
            {**SUBPATH, "enable_gateway_prometheus_metrics": True},
            "open_operations",
            "set operations_token",
        ),
        (
            {**SUBPATH, "gateway_host": "0.0.0.0"},
            "forwarded_allow_ips_missing",
            "name the proxies in forwarded_allow_ips",
        ),
        (
            {**SUBPATH, "gateway_max_proxy_request_body_bytes": 0},
            "body_limit_missing",
            "set gateway_max_proxy_request_body_bytes",
        ),
        ({**SUBPATH, **LOGIN, "public_base_url": ""}, "login_public_url", "set public_base_url"),
        (
            {**LOGIN, "public_base_url": "http://example.org"},
            "login_without_https",
            "public_base_url=http://example.org",
        ),
        ({"root_path": "/app"}, "root_path_without_trust", "set trust_proxy"),
        (
            {"cors_allow_origins": "https://a.example"},
            "cors_without_security_headers",
            "enable_security_headers",
        ),
        (
            {**HEADERS, "content_security_policy": "default-src 'none'; style-src 'unsafe-inline'"},
            "policy_misfit",
            "no 'self' in script-src",
        ),
        (
            {"gateway_upstream_read_timeout_s": 4.5},
            "low_read_timeout",
            "gateway_upstream_read_timeout_s=4.5",
        ),
        ({"session_store": "memory"}, "sessions_in_memory", "session_store=memory"),
    ],
)
def test_rule(values: dict[str, t.Any], code: str, words: str) -> None:
    """It names the settings, and nothing else is found."""
    found = advise(FluxSyncSettings(**values), {})

    assert {advice.code for advice in found} == {code}
    assert words in found[0].message
    assert SECRET not in found[0].message


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("jwt", "gevent") else find(name)
    )
    found = advise(FluxSyncSettings(worker_class="gevent", jwt_hs256_secret=SECRET), {})

    assert [advice.message for advice in found] == [
        "jwt_hs256_secret needs a package that isn't here: pip install 'fluxsync[auth]'",
        "worker_class=gevent needs a package that isn't here: pip install 'fluxsync[gevent]'",
    ]


def test_readable_secret(project: Path) -> None:
    file = project / ".env"
    file.write_text(f"FLUXSYNC_SESSION_SECRET={SECRET}\nFLUXSYNC_TITLE=Hello\n")
    file.chmod(0o644)
    (advice,) = advise(FluxSyncSettings(), {})
    assert advice.message.startswith(".env has session_secret, and every user of this machine")
    file.chmod(0o640)
    assert codes() == []
    # Of a file without secrets, everybody may know.
    file.write_text("FLUXSYNC_SESSION_STORE=sqlite:////tmp/x\n")
    file.chmod(0o644)
    assert codes() == []


def test_other_public_url() -> None:
    """FluxLit reads it, so somebody may believe that it counts."""
    other = {"PUBLIC_BASE_URL": "https://example.org/"}
    assert codes(other) == ["public_base_url_precedence"]
    assert codes(other, public_base_url="https://example.org") == []
    assert codes(other, public_base_url="https://example.com") == ["public_base_url_precedence"]


def test_a_host_that_publishes_is_no_unknown_proxy() -> None:
    session = {"RS_SESSION_URL": "/s/0123456789abcdef01234/", "RS_SERVER_URL": "https://w.example/"}
    assert codes(session, root_path="/s/0123456789abcdef01234/p/58d1e4fd") == []


def test_the_gravest_first() -> None:
    """Nothing hides anything else."""
    found = advise(
        FluxSyncSettings(root_path="/", public_base_url="http://a.example/x", **LOGIN),
        {"PUBLIC_BASE_URL": "x"},
    )
    assert [(advice.code, advice.level) for advice in found] == [
        ("public_base_url_path_mismatch", Level.ERROR),
        ("login_without_https", Level.WARNING),
        ("public_base_url_precedence", Level.WARNING),
    ]


def test_strict_startup() -> None:
    enforce(FluxSyncSettings(root_path="/app"))
    enforce(FluxSyncSettings(strict_startup=True, **SUBPATH))
    with pytest.raises(StartRefused) as refused:
        enforce(
            FluxSyncSettings(
                strict_startup=True, root_path="/app", gateway_upstream_read_timeout_s=1
            )
        )
    lines = str(refused.value).splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == [
        "(root_path_without_trust)",
        "(low_read_timeout)",
    ]
    assert all(line.startswith("strict_startup: ") for line in lines)


def test_strict_public_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what makes the URL unclear counts, and is an error then."""
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://other.example")
    settings = FluxSyncSettings(strict_public_base_url=True, root_path="/app")
    with pytest.raises(StartRefused, match=r"^strict_public_base_url: the variable PUBLIC"):
        enforce(settings)
    levels = {advice.code: advice.level for advice in advise(settings)}
    assert levels == {
        "public_base_url_precedence": Level.ERROR,
        "root_path_without_trust": Level.WARNING,
    }
    monkeypatch.delenv("PUBLIC_BASE_URL")
    enforce(settings)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_rule_is_documented(rule: t.Any) -> None:
    """Its anchor is there, and so is its code."""
    page, _, anchor = rule.doc.partition("#")
    text = (ROOT / "docs" / page).with_suffix(".rst").read_text(encoding="utf-8")
    titles = re.findall(r"^(.+)\n[-=~]{3,}$", text, re.MULTILINE)
    slugs = {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}
    assert not anchor or anchor in slugs
    doctor = (ROOT / "docs" / "hosting" / "doctor.rst").read_text(encoding="utf-8")
    assert f"``{rule.code}``" in doctor
