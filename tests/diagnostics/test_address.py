from __future__ import annotations

import pytest

from fluxsync.diagnostics.address import parse


@pytest.mark.parametrize(
    ("text", "expected", "authority"),
    [
        pytest.param("https://host", "https://host/", "host", id="no path"),
        pytest.param("https://host:443/a", "https://host/a", "host", id="usual port"),
        pytest.param("http://Host:8000/a/", "http://host:8000/a/", "host:8000", id="port"),
        pytest.param("http://[::1]:80/", "http://[::1]/", "[::1]", id="IPv6"),
        pytest.param(
            "https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC", None, id="IDN"
        ),
        pytest.param("https://host/a?token=secret", "https://host/a", "host", id="query"),
        pytest.param("https://me:secret@host/a", "https://host/a", "host", id="password"),
    ],
)
def test_parse(text: str, expected: str, authority: str | None) -> None:
    address = parse(text)

    assert str(address) == expected
    assert authority in (None, address.authority)
    assert address.origin == expected[: expected.index("/", 8)]


@pytest.mark.parametrize(
    "text", ["", "host", "ftp://secret@host/", "http://", "http://host:secret/", "//host/a"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="https://host/path") as e:
        parse(text)

    assert "secret" not in str(e.value)


def test_password() -> None:
    """It's decoded for the header field, and stays with its site."""
    address = parse("https://me:p%40ss@host/a/b?c=d")

    assert address.authorization == "Basic bWU6cEBzcw=="
    assert address.target == "/a/b?c=d"
    near, far = address.join("../x?y=z"), address.join("https://other/")
    assert near is not None
    assert (near.target, near.authorization) == ("/x?y=z", address.authorization)
    assert far is not None
    assert not far.authorization
    assert address.join("mailto:me@host") is None
    assert address.under("healthz").target == "/a/b/healthz"


def test_name_from_a_page() -> None:
    """Whatever it is, it's a path, and a request can be made of it."""
    address = parse("https://host/a/")

    assert (
        address.under("./x y\r\nb: \u20ac.js?v=1").target == "/a/./x%20y%0D%0Ab:%20%E2%82%AC.js?v=1"
    )


@pytest.mark.parametrize(
    ("origin", "reference", "stays"),
    [
        ("http://me:secret@host", "https://host/", True),
        ("http://me:secret@host:8000", "https://host/", True),
        ("https://me:secret@host", "http://host/", False),
        ("https://me:secret@host", "https://host:8443/", False),
        ("http://me:secret@host", "https://other/", False),
    ],
)
def test_password_of_a_redirect(origin: str, reference: str, stays: bool) -> None:
    """It may become safer, and goes nowhere else."""
    there = parse(origin).join(reference)

    assert there is not None
    assert bool(there.authorization) is stays
