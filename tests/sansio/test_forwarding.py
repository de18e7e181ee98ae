from __future__ import annotations

import functools
import ipaddress
import itertools
import typing as t

import pytest

from fluxsync.sansio import forwarding
from fluxsync.sansio import headers as _headers
from fluxsync.sansio.forwarding import Client
from fluxsync.sansio.trust import Trust

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
PROXY = Client("203.0.113.7", "https", "app.example", ("203.0.113.7", "10.0.0.1"), 1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Remote-User", True, id="identity"),
        pytest.param("SM_USER", True, id="underscore"),
        pytest.param("Sm-User", True, id="underscore as WSGI gives it back"),
        pytest.param("OIDC_CLAIM_email", True, id="prefix with underscores"),
        pytest.param("X-Forwarded-Anything", True, id="forwarding prefix"),
        pytest.param("Forwarded", True, id="forwarding"),
        pytest.param("X-Fluxsync-Replica", True, id="ours"),
        pytest.param("x-my-user", True, id="from the settings"),
        pytest.param("X_My_User", True, id="from the settings, underscores"),
        pytest.param("Authorization", False, id="credentials are no claim"),
        pytest.param("X-Request-Id", False, id="request id"),
    ],
)
def test_is_claim(name: str, expected: bool) -> None:
    assert forwarding.is_claim(name, ["x-my-user"]) is expected


def test_names_are_as_they_are_compared() -> None:
    names = itertools.chain(
        forwarding.FORWARDING,
        forwarding.FORWARDING_PREFIXES,
        forwarding.IDENTITY,
        forwarding.IDENTITY_PREFIXES,
    )

    assert not [name for name in names if name != name.lower().replace("_", "-")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("10.1.2.3", True, id="in the network"),
        pytest.param("11.1.2.3", False, id="outside"),
        pytest.param("::ffff:10.1.2.3", True, id="IPv4 mapped to IPv6"),
        pytest.param("[::1]", True, id="brackets"),
        pytest.param("::1%lo", True, id="zone"),
        pytest.param("", False, id="Unix socket"),
        pytest.param("unknown", False, id="no address"),
    ],
)
def test_is_trusted(address: str, expected: bool) -> None:
    assert forwarding.is_trusted(address, TRUSTED) is expected


FORWARDED = [
    ("Host", "inner:8000"),
    ("X-Forwarded-For", "1.1.1.1, 203.0.113.7, 10.0.0.2"),
    ("X-Forwarded-Proto", "HTTPS , http"),
    ("X-Forwarded-Host", "app.example, inner"),
]


def resolve(
    peer: str, fields: list[tuple[str, str]], networks: t.Collection[forwarding.Network] = TRUSTED
) -> Client:
    field = functools.partial(_headers.get, fields)
    return forwarding.resolve(peer, "http", field, Trust(networks).is_trusted)


def test_stranger_is_not_believed() -> None:
    client = resolve("203.0.113.9", FORWARDED)

    assert client == Client("203.0.113.9", "http", "inner:8000", ("203.0.113.9",))


def test_nobody_is_believed_without_networks() -> None:
    client = resolve("", FORWARDED, ())

    assert client == Client("", "http", "inner:8000", ())


def test_proxy_is_believed_as_far_as_trust_goes() -> None:
    """The left-most address is the client's own claim."""
    client = resolve("10.0.0.1", FORWARDED)

    assert client == Client(
        "203.0.113.7",
        "https",
        "app.example",
        ("1.1.1.1", "203.0.113.7", "10.0.0.2", "10.0.0.1"),
        2,
    )


def test_list_that_the_client_began() -> None:
    """What one trusted proxy has appended counts, not what came before."""
    fields = [
        ("Host", "inner"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Host", "forged.example, app.example"),
        ("X-Forwarded-Proto", "http, https"),
    ]

    client = resolve("10.0.0.1", fields)

    assert (client.host, client.scheme) == ("app.example", "https")


@pytest.mark.parametrize(
    ("fields", "address", "scheme"),
    [
        pytest.param([], "10.0.0.1", "http", id="nothing said"),
        pytest.param([("X-Forwarded-For", " , ,")], "10.0.0.1", "http", id="nothing in the list"),
        pytest.param([("X-Forwarded-For", "10.0.0.5")], "10.0.0.5", "http", id="inside client"),
        pytest.param([("X-Forwarded-For", "?")], "?", "http", id="no address"),
        pytest.param([("X-Forwarded-For", "192.0.2.1:471")], "192.0.2.1", "http", id="port"),
        pytest.param([("X-Forwarded-For", "[2001:db8::1]:4")], "2001:db8::1", "http", id="v6 port"),
        pytest.param([("X-Forwarded-For", "2001:db8::1")], "2001:db8::1", "http", id="v6"),
        pytest.param([("X-Forwarded-Proto", "wss")], "10.0.0.1", "https", id="WebSocket's scheme"),
        pytest.param([("X-Forwarded-Proto", "ftp")], "10.0.0.1", "http", id="unknown scheme"),
    ],
)
def test_proxy_that_says_little(fields: list[tuple[str, str]], address: str, scheme: str) -> None:
    client = resolve("10.0.0.1", [("Host", "h"), *fields])

    assert (client.address, client.scheme, client.host) == (address, scheme, "h")


@pytest.mark.parametrize(
    ("client", "root", "expected"),
    [
        pytest.param(
            PROXY,
            "/app",
            [
                ("X-Forwarded-For", "203.0.113.7, 10.0.0.1"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "app.example"),
                ("X-Forwarded-Prefix", "/app"),
                ("X-Request-Id", "1"),
            ],
            id="everything",
        ),
        pytest.param(
            Client("", "http", "", ()),
            "",
            [("X-Forwarded-Proto", "http"), ("X-Request-Id", "1")],
            id="only what is known",
        ),
    ],
)
def test_added(client: Client, root: str, expected: list[tuple[str, str]]) -> None:
    assert forwarding.added(client, root, "1") == expected
