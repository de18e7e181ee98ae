from __future__ import annotations

import html.parser
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio import injection

#: How Streamlit's page begins (1.42 to 1.67).
PAGE = b"""<!--
 Copyright: a <head> that isn't one
-->

<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8" />
    <!-- initialize window.prerenderReady to false -->
    <script>
      window.prerenderReady = false
    </script>
    <script type="module" crossorigin src="./static/js/index.DormvYxC.js"></script>
    <link rel="modulepreload" crossorigin href="./static/js/rolldown-runtime.BCiCTKAo.js">
  </head>
  <body>
    <div id="root"></div>
  </body>
</html>
"""


def test_ask_whole() -> None:
    fields = [
        ("Accept", "text/html"),
        ("Accept-Encoding", "gzip, br"),
        ("Range", "bytes=5-"),
        ("If-Range", '"a"'),
        ("If-None-Match", '"a"'),
        ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Cookie", "a=b"),
    ]

    assert injection.ask_whole(fields) == [
        ("Accept", "text/html"),
        ("Cookie", "a=b"),
        ("Accept-Encoding", "identity"),
    ]


@pytest.mark.parametrize(
    ("status", "named", "expected"),
    [
        (200, {"content-type": "text/html; charset=utf-8"}, True),
        (200, {"content-type": "Text/HTML", "content-encoding": "identity"}, True),
        (200, {"content-type": "text/html", "content-disposition": "inline"}, True),
        (404, {"content-type": "text/html"}, False),
        (206, {"content-type": "text/html"}, False),
        (200, {}, False),
        (200, {"content-type": "text/html-like"}, False),
        (200, {"content-type": "application/xhtml+xml"}, False),
        (200, {"content-type": "text/html", "content-encoding": "gzip"}, False),
        (200, {"content-type": "text/html", "cache-control": "public, No-Transform"}, False),
        (200, {"content-type": "text/html", "content-disposition": "Attachment"}, False),
    ],
)
def test_may_be_edited(status: int, named: dict[str, str], expected: bool) -> None:
    assert injection.may_be_edited(status, named) is expected


def test_edited_fields() -> None:
    fields = [
        ("Content-Type", "text/html"),
        ("Content-Length", "10"),
        ("Cache-Control", "no-cache"),
        ("ETag", '"a"'),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Accept-Ranges", "bytes"),
        ("Content-MD5", "x"),
        ("Digest", "x"),
        ("Content-Encoding", "identity"),
    ]

    assert injection.edited_fields(fields, 20, "gzip") == [
        ("Content-Type", "text/html"),
        ("Cache-Control", "no-cache"),
        ("Vary", "Accept-Encoding"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", "20"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("Cache-Control", "public, max-age=60", "no-cache", id="kept for a while"),
        pytest.param("Cache-Control", 'no-cache="a"', "no-cache", id="without a field"),
        pytest.param("Cache-Control", "private, no-store", "private, no-store", id="not kept"),
        pytest.param("Vary", "Cookie", "Cookie|Accept-Encoding", id="more variants"),
        pytest.param("Vary", "cookie, accept-encoding", "cookie, accept-encoding", id="said"),
        pytest.param("Vary", "*", "*", id="everything"),
    ],
)
def test_edited_fields_about_caches(name: str, value: str, expected: str) -> None:
    fields = injection.edited_fields([(name, value)], None)

    assert "|".join(value for key, value in fields if key == name) == expected


@pytest.mark.parametrize(
    "before",
    [
        b"<head>",
        b"<HEAD\n>",
        b"<head/>",
        b"<head prefix=\"og: a>b\" lang='x>y' data-z>",
        b"\xef\xbb\xbf<!doctype html><html><head>",
        b'<?xml version=\'1.0\'?>\n<!DOCTYPE html PUBLIC "a" "b"><!----><html lang=en><head a>',
        b"<!-- <head> --> <!--><!---> <html><head>",
    ],
)
def test_find_head(before: bytes) -> None:
    assert injection.find_head(before + b"<title>a</title></head>") == len(before)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(b"<p>a</p><head>", id="element before it"),
        pytest.param(b"text <head>", id="text before it"),
        pytest.param(b"<header>a</header>", id="another element"),
        pytest.param(b"<html><body><head></body>", id="body"),
        pytest.param(b"{}", id="JSON"),
        pytest.param("<html><head>".encode("utf-16"), id="UTF-16"),
        pytest.param("<html><head>".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(b"<" * 5000, id="nothing of it ends"),
        pytest.param(b'<head a="' + b"b" * 5000, id="no end of an attribute"),
        pytest.param(b"<head " + b"b " * 5000 + b">", id="no end of the tag soon"),
    ],
)
def test_pages_without_a_head(page: bytes) -> None:
    assert injection.find_head(page) == 0


def test_head_of_streamlits_page() -> None:
    at = injection.find_head(PAGE)

    assert at == PAGE.index(b"<head>\n") + len(b"<head>")


def test_beginnings_of_a_page() -> None:
    """It's never said too soon that there's no head, nor that the head is all there."""
    start, end = injection.find_head(PAGE), PAGE.index(b"</head>") + len(b"</head")

    for length in range(len(PAGE) + 1):
        part = PAGE[:length]
        assert injection.find_head(part) == (start if start and length >= start else None)
        assert injection.is_enough(part) is (length > end)


def test_no_head_is_enough() -> None:
    assert injection.is_enough(b"<p>Please wait")


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("abc", True),
        ("aB3+/_-==", True),
        ("a" * 256, True),
        ("", False),
        ("a" * 257, False),
        ("a===", False),
        ("a b", False),
        ("a'", False),
        ('a" onload="x', False),
        ("a>", False),
        ("a\n", False),
        ("\xe4", False),
        ("a, b", False),
    ],
)
def test_nonce(value: str, is_one: bool) -> None:
    assert injection.nonce(value) == (value if is_one else "")


def test_with_nonce() -> None:
    """Streamlit's two scripts have it, in its head, and nothing else."""
    page = injection.with_nonce(PAGE, "abc")

    assert page.count(b"nonce=") == 2
    assert page.replace(b' nonce="abc"', b"") == PAGE
    assert b'<script nonce="abc">\n      window.prerenderReady' in page
    assert b'<script nonce="abc" type="module" crossorigin src="./static/' in page


@pytest.mark.parametrize(
    "page",
    [
        b"<script>alert(1)</script>",
        b"<script>window.prerenderReady = false; alert(1)</script>",
        b'<script src="https://example.org/a.js"></script>',
        b'<script src="./media/a.js"></script>',
        b'<script src="./static/../media/a.js?x"></script>',
        b'<script a="><script" src=./static/js/a.js></script>',
        b'</head><body><script src="./static/js/a.js"></script>',
        b'<script>"</script><!-- " src="./static/js/a.js"></script>',
    ],
)
def test_others_scripts_get_no_nonce(page: bytes) -> None:
    """What a policy is to keep from running doesn't run because of it."""
    assert injection.with_nonce(page, "abc") == page


class Tags(html.parser.HTMLParser):
    """Notes the tags as they are read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


@given(st.text(st.characters(codec="ascii", exclude_characters="\r\0")))
def test_attributes_stay_attributes(value: str) -> None:
    """Whatever a client has put into its path, the page reads it as one value, and no more."""
    tag = injection.opening_tag([("data-path", value), ("data-b", "c")])
    tags = Tags()
    tags.feed(tag.decode("ascii"))

    assert re.fullmatch(rb"<script [^<>]*>", tag)
    assert tags.found == [("script", [("data-path", value), ("data-b", "c")])]


def test_opening_tag() -> None:
    tag = injection.opening_tag([("data-path", "/\"'</script>&")])

    assert tag == b'<script data-path="/&quot;&#x27;&lt;/script&gt;&amp;">'


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (b'<head><script type="module" src="./static/js/a.js"></script></head>', True),
        (b"<head></head>", False),
        (b'<head><script src="./own/a.js"></script></head>', False),
        (b'<head><script src="/static/a.js"></script></head>', False),
        (b'<head></head><body><script src="./static/js/a.js"></script></body>', False),
        (b'<head><script src="./static/js/a.js">', False),
    ],
)
def test_is_streamlits(page: bytes, expected: bool) -> None:
    assert injection.is_streamlits(page) is expected
