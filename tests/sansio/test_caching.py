from __future__ import annotations

import typing as t

import pytest

from fluxsync.sansio import caching

if t.TYPE_CHECKING:
    from fluxsync.typing import Headers

YEAR = 31536000
FIELDS = {
    "Cache-Control": f"public, immutable, max-age={YEAR}",
    "Content-Type": "application/javascript",
    "Content-Length": "1000",
}


def fields(**changes: str | None) -> Headers:
    merged = {**FIELDS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return [(name, value) for name, value in merged.items() if value is not None]


def test_what_is_known() -> None:
    more = fields(Age="36", Content_Encoding="GZip", Vary="accept-encoding", X_Request_Id="1")
    kept = caching.may_be_kept(200, more, 1000)

    assert kept is not None
    assert (kept.length, kept.coding, kept.lifetime, kept.age) == (1000, "gzip", YEAR - 36, 36)
    assert kept.fields == [
        ("Content-Type", "application/javascript"),
        ("Cache-Control", FIELDS["Cache-Control"]),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="as Streamlit sends it"),
        pytest.param({"Cache-Control": "Public,Immutable,Max-Age=60"}, id="case"),
        pytest.param({"Cache-Control": "public, immutable, max-age=0, s-maxage=9"}, id="shared"),
        pytest.param({"Content-Encoding": "br", "Vary": "Accept-Encoding"}, id="encoded"),
    ],
)
def test_kept(changes: dict[str, str]) -> None:
    assert caching.may_be_kept(200, fields(**changes), 1000) is not None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Cache-Control": None}, id="nothing said"),
        pytest.param({"Cache-Control": "public, max-age=60"}, id="may change"),
        pytest.param({"Cache-Control": "immutable, max-age=60"}, id="not for all"),
        pytest.param({"Cache-Control": "public, immutable"}, id="no time"),
        pytest.param({"Cache-Control": "public, immutable, max-age=0"}, id="no time at all"),
        pytest.param({"Cache-Control": "public, immutable, max-age=-1"}, id="no number"),
        pytest.param({"Cache-Control": "public, immutable, max-age=60, s-maxage=0"}, id="shared"),
        *(
            pytest.param({"Cache-Control": f"{word}, {FIELDS['Cache-Control']}"}, id=word)
            for word in (
                *("no-store", "no-cache", "private", "Private", "no-transform"),
                'no-cache="set-cookie"',
            )
        ),
        pytest.param({"Set-Cookie": "a=b"}, id="cookie"),
        pytest.param({"Vary": "Accept-Encoding, Cookie"}, id="depends on more"),
        pytest.param({"Vary": "*"}, id="depends on all"),
        pytest.param({"Content-Length": None}, id="no length"),
        pytest.param({"Content-Length": "0"}, id="empty"),
        pytest.param({"Content-Length": "1001"}, id="too long"),
        pytest.param({"Content-Length": "9" * 5000}, id="length is rubbish"),
        pytest.param({"Content-Length": "\N{SUPERSCRIPT TWO}"}, id="length is no number"),
        pytest.param({"Content-Range": "bytes 0-999/2000"}, id="a part"),
        pytest.param({"Content-Encoding": "deflate"}, id="unknown coding"),
        pytest.param({"Content-Encoding": "gzip, br"}, id="two codings"),
        pytest.param({"Content-Type": "text/HTML; charset=utf-8"}, id="a document"),
        pytest.param({"Content-Type": None}, id="no type"),
        pytest.param({"Age": str(YEAR)}, id="too old"),
        pytest.param({"Age": "x"}, id="age is rubbish"),
    ],
)
def test_not_kept(changes: dict[str, str | None]) -> None:
    assert caching.may_be_kept(200, fields(**changes), 1000) is None


@pytest.mark.parametrize("status", [201, 203, 206, 301, 304, 404, 500])
def test_status(status: int) -> None:
    assert caching.may_be_kept(status, fields(), 1000) is None


def test_repeated_fields() -> None:
    """Two lengths are none, and what one field forbids the other can't allow."""
    assert caching.may_be_kept(200, [*fields(), ("content-length", "1000")], 1000) is None
    assert caching.may_be_kept(200, [*fields(), ("cache-control", "private")], 1000) is None


@pytest.mark.parametrize(
    ("headers", "for_all", "fresh"),
    [
        ([("Cookie", "a=b"), ("Accept-Encoding", "gzip")], True, False),
        ([("Authorization", "Basic x")], False, False),
        ([("Range", "bytes=0-1")], False, False),
        ([("Cache-Control", "no-cache")], True, True),
        ([("cache-control", "max-age=0, No-Store")], True, True),
        ([("Cache-Control", "max-age=0")], True, False),
    ],
)
def test_requests(headers: Headers, for_all: bool, fresh: bool) -> None:
    assert (caching.is_for_all(headers), caching.wants_fresh(headers)) == (for_all, fresh)
