from __future__ import annotations

import base64

import pytest

from fluxsync.sansio.operators import Verdict, judge

TOKEN = "a" * 20


def verdict(
    token: str = "", peer: str = "127.0.0.1", protocol: str = "HTTP/1.1", **fields: str
) -> Verdict:
    sent = {"host": "127.0.0.1:8000", **fields}
    return judge(token, peer, protocol, lambda name: sent.get(name.replace("-", "_"), ""))


@pytest.mark.parametrize(
    ("peer", "fields"),
    [
        pytest.param("127.0.0.1", {}, id="IPv4"),
        pytest.param("127.9.9.9", {"host": "localhost"}, id="name"),
        pytest.param("::1", {"host": "[::1]:8000"}, id="IPv6"),
        pytest.param("::ffff:127.0.0.1", {"host": "LOCALHOST:1"}, id="mapped"),
    ],
)
def test_this_machine(peer: str, fields: dict[str, str]) -> None:
    assert verdict(peer=peer, **fields) is Verdict.ALLOWED


@pytest.mark.parametrize(
    ("peer", "fields"),
    [
        pytest.param("192.0.2.1", {}, id="another machine"),
        pytest.param("", {}, id="a Unix socket: some proxy"),
        pytest.param("127.0.0.1", {"x_forwarded_for": "192.0.2.1"}, id="through a proxy here"),
        pytest.param("127.0.0.1", {"forwarded": "for=127.0.0.1"}, id="said to be from here"),
        pytest.param("127.0.0.1", {"x_real_ip": "127.0.0.1"}, id="nginx"),
        pytest.param("127.0.0.1", {"protocol": "HTTP/1.0"}, id="nginx as it comes"),
        pytest.param("127.0.0.1", {"host": "example.org"}, id="rebound name"),
        pytest.param("127.0.0.1", {"host": ""}, id="no name"),
        pytest.param("127.0.0.1", {"host": "[::1"}, id="malformed name"),
        pytest.param("127.0.0.1", {"host": "localhost.example.org"}, id="similar name"),
        pytest.param("127.0.0.1.example.org", {}, id="no address"),
    ],
)
def test_elsewhere(peer: str, fields: dict[str, str]) -> None:
    assert verdict(peer=peer, **fields) is Verdict.ELSEWHERE


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "said", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(f":{TOKEN}"), basic(f"anybody:{TOKEN}")]
)
def test_token(said: str) -> None:
    found = verdict(TOKEN, "192.0.2.1", authorization=said, host="example.org")

    assert found is Verdict.ALLOWED


@pytest.mark.parametrize(
    "said",
    [
        "",
        TOKEN,
        "Bearer",
        f"Bearer {TOKEN}a",
        f"Bearer {TOKEN[:-1]}",
        f"Token {TOKEN}",
        basic(TOKEN),
        basic(f"{TOKEN}:"),
        "Basic =",
        "Basic \xff",
        "Bearer \xe9",
    ],
)
def test_wrong_token(said: str) -> None:
    """This machine needs it too, once there's one."""
    assert verdict(TOKEN, authorization=said) is Verdict.TOKEN_MISSING
