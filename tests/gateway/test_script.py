"""The page's script, made once and served as a file."""

from __future__ import annotations

import gzip
import hashlib
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync import FluxSyncSettings
from fluxsync.config.platform import Platform
from fluxsync.gateway import script
from fluxsync.gateway.errors import Failure
from fluxsync.gateway.request import RequestReader
from fluxsync.sansio.routing import Route

SCRIPT = script.load()
READER = RequestReader(FluxSyncSettings(), Platform())
FOREVER = "public, max-age=31536000, immutable"


def ask(query: str = "", method: str = "GET", **environ: str) -> tuple[str, dict[str, str], bytes]:
    """Return status, fields and body."""
    request = READER.read(
        {
            "REQUEST_METHOD": method,
            "REMOTE_ADDR": "192.0.2.1",
            "RAW_URI": script.PATH + query,
            **environ,
        }
    )
    assert request.route is Route.INTERNAL
    head: list[tuple[str, list[tuple[str, str]]]] = []
    start: t.Any = lambda status, headers: head.append((status, headers))  # noqa: E731
    body = b"".join(script.respond(request, start))
    [(status, headers)] = head
    assert len(dict(headers)) == len(headers)
    return status, dict(headers), body


def test_text_can_stand_in_a_page() -> None:
    """Nothing in it ends the script, nor makes what does end it a part of it."""
    text = SCRIPT.text.lower()

    assert b"</script" not in text
    assert b"<script" not in text
    assert b"<!--" not in text
    assert text.isascii()  # so it's the same in each page's encoding


def test_build() -> None:
    built = script.build(["var a;", "var b;"])

    assert built.text == b'(function () {\n"use strict";\nvar a;\nvar b;\n})();\n'
    assert built.version == hashlib.sha256(built.text).hexdigest()[:16]
    assert gzip.decompress(built.gzipped) == built.text
    assert built == script.build(iter(["var a;", "var b;"]))


def test_whole_file() -> None:
    status, headers, body = ask(f"?v={SCRIPT.version}")

    assert (status, body) == ("200 OK", SCRIPT.text)
    assert headers == {
        "ETag": f'"{SCRIPT.version}"',
        "Cache-Control": FOREVER,
        "Vary": "Accept-Encoding",
        "Content-Type": "text/javascript; charset=utf-8",
        "Content-Length": str(len(SCRIPT.text)),
        "X-Content-Type-Options": "nosniff",
    }


def test_compressed() -> None:
    status, headers, body = ask(HTTP_ACCEPT_ENCODING="gzip, br")

    assert (status, headers["Content-Encoding"]) == ("200 OK", "gzip")
    assert headers["Content-Length"] == str(len(body))
    assert headers["ETag"] == f'"{SCRIPT.version}-gzip"'
    assert gzip.decompress(body) == SCRIPT.text


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?v=",
        "?v=0123456789abcdef",
        f"?v={SCRIPT.version}0",
        f"?v={SCRIPT.version}&w",
        f"?w=v={SCRIPT.version}",
    ],
)
def test_address_without_the_version(query: str) -> None:
    """Another version may be here tomorrow, or was yesterday."""
    status, headers, _ = ask(query)

    assert (status, headers["Cache-Control"]) == ("200 OK", "no-cache")


@pytest.mark.parametrize(
    ("accept", "known", "status"),
    [
        ("", f'"{SCRIPT.version}"', 304),
        ("", f'"other", W/"{SCRIPT.version}"', 304),
        ("", "*", 304),
        ("gzip", f'"{SCRIPT.version}-gzip"', 304),
        ("gzip", f'"{SCRIPT.version}"', 200),
        ("", f'"{SCRIPT.version}-gzip"', 200),
        ("", SCRIPT.version[:-1], 200),
        ("", "", 200),
    ],
)
def test_client_that_has_it(accept: str, known: str, status: int) -> None:
    answer, headers, body = ask(HTTP_ACCEPT_ENCODING=accept, HTTP_IF_NONE_MATCH=known)

    assert int(answer[:3]) == status
    assert bool(body) is (status == 200)
    assert {"ETag", "Cache-Control", "Vary"} <= headers.keys()
    if status == 304:
        assert "Content-Length" not in headers


def test_head() -> None:
    get, head = ask(), ask(method="HEAD")

    assert head == (get[0], get[1], b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods(method: str) -> None:
    with pytest.raises(Failure) as caught:
        ask(method=method)

    assert caught.value.status == 405
    assert ("Allow", "GET, HEAD") in caught.value.headers


@given(st.binary(max_size=3000), st.binary(max_size=3000))
def test_gzip_around(before: bytes, after: bytes) -> None:
    """A page of three parts is one stream."""
    compressed = script.gzip_around(before, SCRIPT, after)

    assert gzip.decompress(compressed) == before + SCRIPT.text + after
