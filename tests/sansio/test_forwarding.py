from __future__ import annotations

import functools
import ipaddress
import itertools
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import forwarding
from fluxsync.sansio import headers as _headers
from fluxsync.sansio.forwarding import Client, Trust

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
STRANGER = Client("203.0.113.7", "http", "app.example", ("203.0.113.7",), via_trusted=False)
PROXY = Client("203.0.113.7", "https", "app.example", ("203.0.113.7", "10.0.0.1"), True)


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

    assert client == Client("203.0.113.9", "http", "inner:8000", ("203.0.113.9",), False)


def test_nobody_is_believed_without_networks() -> None:
    client = resolve("", FORWARDED, ())

    assert client == Client("", "http", "inner:8000", (), False)


def test_proxy_is_believed_as_far_as_trust_goes() -> None:
    """The left-most address is the client's own claim."""
    client = resolve("10.0.0.1", FORWARDED)

    assert client == Client(
        "203.0.113.7",
        "https",
        "app.example",
        ("1.1.1.1", "203.0.113.7", "10.0.0.2", "10.0.0.1"),
        True,
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


def environ(*fields: tuple[str, str]) -> dict[str, t.Any]:
    """Return what a WSGI server makes of the fields."""
    keys = {_headers.environ_key(name): value for name, value in fields}
    return {"REQUEST_METHOD": "GET", "wsgi.input": None, **keys}


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True), ("11.1.2.3", False), ("10.0.0.1" + " " * 100, False)],
)
def test_trust(address: str, expected: bool) -> None:
    trust = Trust(TRUSTED)

    assert [trust.is_trusted(address) for _ in range(2)] == [expected] * 2
    assert not Trust(()).is_trusted(address)


def test_trusted_proxy_may_say_who_the_user_is() -> None:
    told = environ(
        ("Remote-User", "ada"),
        ("Via", "1.1 proxy"),
        ("X-Forwarded-For", "1.1.1.1"),
        ("x-request-id", "1"),
        ("X-Fluxsync-Replica", "1"),
        ("Accept", "*/*"),
    )

    assert Trust(TRUSTED).forwarded(told, PROXY) == [
        ("Remote-User", "ada"),
        ("Via", "1.1 proxy"),
        ("Accept", "*/*"),
    ]
    assert Trust(TRUSTED).lies(told, PROXY) == ["HTTP_X_FLUXSYNC_REPLICA"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([("Connection", "close"), ("Close", "1")], ["Close"], id="option"),
        pytest.param([("Connection", "X-A, close"), ("X-A", "1")], [], id="nominated"),
        pytest.param([("TE", "trailers"), ("Upgrade", "h2c"), ("X-B", "")], ["X-B"], id="hops"),
        pytest.param([("Content-Type", "a/b")], ["Content-Type"], id="content type"),
        pytest.param([("Content-Type", "")], [], id="none"),
        pytest.param([("Host", "h"), ("Content-Length", "1"), ("Expect", "x")], [], id="anew"),
    ],
)
def test_forwarded(fields: list[tuple[str, str]], expected: list[str]) -> None:
    assert [name for name, _ in Trust(()).forwarded(environ(*fields), STRANGER)] == expected


def test_names_do_not_fill_the_memory() -> None:
    """Clients may send any number of names, of any length; each is decided on rightly."""
    trust = Trust(())
    names = ["X-" + "a" * 100_000, *(f"X-{n}" for n in range(1500))]

    for name in names:
        assert trust.forwarded(environ((name, "1")), STRANGER) == [(name.title(), "1")]
        assert trust.lies(environ((name, "1")), STRANGER) == []
    assert trust.forwarded(environ(("X-User", "1")), STRANGER) == []

    kept = [*trust._upstream[0], *trust._lies[0]]
    assert len(kept) <= 2000
    assert max(map(len, kept)) <= 64


CLAIMS = [
    *forwarding.FORWARDING,
    *forwarding.IDENTITY,
    *(
        prefix + "x"
        for prefix in (
            *forwarding.FORWARDING_PREFIXES,
            *forwarding.IDENTITY_PREFIXES,
            forwarding.OWN_PREFIX,
        )
    ),
    "x-my-user",
]
SPELLINGS: list[t.Callable[[str], str]] = [
    str.lower,
    str.upper,
    str.title,
    lambda name: name.replace("-", "_"),
]


@given(st.lists(st.tuples(st.sampled_from(CLAIMS), st.sampled_from(SPELLINGS)), min_size=1))
def test_no_claim_of_a_stranger_survives(
    claims: list[tuple[str, t.Callable[[str], str]]],
) -> None:
    """However it is spelled."""
    told = environ(*((spell(name), "evil") for name, spell in claims), ("Accept", "*/*"))
    trust = Trust((), ["x-my-user"])

    for key in trust.lies(told, STRANGER):
        del told[key]
    left = [value for value in told.values() if value == "evil"]

    assert left == []
    assert trust.forwarded(told, STRANGER) == [("Accept", "*/*")]


@given(st.lists(st.tuples(st.sampled_from(CLAIMS), st.sampled_from(SPELLINGS)), min_size=1))
def test_no_claim_of_a_stranger_is_forwarded(
    claims: list[tuple[str, t.Callable[[str], str]]],
) -> None:
    told = environ(*((spell(name), "evil") for name, spell in claims), ("Accept", "*/*"))

    assert Trust((), ["x-my-user"]).forwarded(told, STRANGER) == [("Accept", "*/*")]


@pytest.mark.parametrize("spell", SPELLINGS)
def test_field_between_a_proxy_and_fluxsync(spell: t.Callable[[str], str]) -> None:
    """Streamlit gets it from nobody, the API from the proxy only."""
    trust = Trust(TRUSTED, (), ["x-csp-nonce"])
    told = environ((spell("x-csp-nonce"), "abc"), ("Accept", "*/*"))

    for client, lies in ((PROXY, []), (STRANGER, ["HTTP_X_CSP_NONCE"])):
        assert trust.forwarded(told, client) == [("Accept", "*/*")]
        assert trust.lies(told, client) == lies


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
            Client("", "http", "", (), False),
            "",
            [("X-Forwarded-Proto", "http"), ("X-Request-Id", "1")],
            id="only what is known",
        ),
    ],
)
def test_added(client: Client, root: str, expected: list[tuple[str, str]]) -> None:
    assert forwarding.added(client, root, "1") == expected
