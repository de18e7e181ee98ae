from __future__ import annotations

import ipaddress
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import forwarding
from fluxsync.sansio import headers as _headers
from fluxsync.sansio.forwarding import Client
from fluxsync.sansio.trust import Trust

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
STRANGER = Client("203.0.113.7", "http", "app.example", ("203.0.113.7",))
PROXY = Client("203.0.113.7", "https", "app.example", ("203.0.113.7", "10.0.0.1"), 1)


def environ(*fields: tuple[str, str]) -> dict[str, t.Any]:
    """Return what a WSGI server makes of the fields."""
    keys = {_headers.environ_key(name): value for name, value in fields}
    return {"REQUEST_METHOD": "GET", "wsgi.input": None, **keys}


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True), ("11.1.2.3", False), ("10.0.0.1" + " " * 100, False)],
)
def test_is_trusted(address: str, expected: bool) -> None:
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


def test_what_the_host_says() -> None:
    """It's the host of Posit Connect that names the user; whoever else does isn't believed."""
    told = environ(("RStudio-Connect-Credentials", "{}"), ("X-Forwarded-For", "1.1.1.1"))
    trust = Trust((), host=["rstudio-connect-credentials"])

    assert trust.forwarded(told, STRANGER) == [("Rstudio-Connect-Credentials", "{}")]
    assert trust.lies(told, STRANGER) == ["HTTP_X_FORWARDED_FOR"]
    assert Trust(()).forwarded(told, STRANGER) == []


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
