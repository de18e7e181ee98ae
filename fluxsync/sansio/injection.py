"""Put a script into an HTML page, without parsing more of it than its beginning. No I/O.

Bytes, not text: in all encodings that pages have but UTF-16, tags are ASCII. What isn't
understood is left alone.
"""

from __future__ import annotations

import html
import re
import typing as t

from . import headers as _headers

if t.TYPE_CHECKING:
    from ..typing import Headers

#: Longest page, and most that is looked at of one whose length isn't known. Streamlit's has 8 kB.
LIMIT = 1024 * 1024

#: With these, a client asks for a part of the page as it was before it was edited, or for
#: nothing because it has that page. What is encoded can't be edited.
_NOT_ASKED = frozenset(
    (
        "accept-encoding",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
    )
)

#: What was said about the page as it was.
_OUTDATED = frozenset(
    (
        "accept-ranges",
        "content-digest",
        "content-encoding",
        "content-length",
        "content-md5",
        "digest",
        "etag",
        "last-modified",
        "repr-digest",
    )
)

#: The rest of a tag. Limited, as nothing is said about the length of what has no end.
_ATTRIBUTES = rb"""(?:[^>"']|"[^"]{0,1000}"|'[^']{0,1000}'){0,1000}>"""
_HEAD = re.compile(rb"<head(?=[\s/>])" + _ATTRIBUTES, re.I)
#: What may stand before it, besides comments (WHATWG HTML 13.2.6.4.1 to 13.2.6.4.3).
_BEFORE_HEAD = re.compile(rb"\s+|<[!?][^>]{0,1000}>|<html(?=[\s/>])" + _ATTRIBUTES, re.I)
_HEAD_END = re.compile(rb"</head[\s/>]", re.I)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: The scripts of Streamlit's page (1.42 to 1.67): its frontend, which loads all else, and one
#: assignment. No others: what a policy is to keep from running must not get the nonce from here.
_OWN_SCRIPTS = re.compile(
    rb"""<script(?=\s[^<>]{0,500}?src="\./static/[\w./-]{1,500}"[^<>]{0,500}>)"""
    rb"""|<script(?=>\s{0,100}window\.prerenderReady\s=\sfalse;?\s{0,100}</script>)"""
)

#: The first of them.
_FRONTEND = re.compile(rb"""<script\s[^<>]{0,500}?src="\./static/[^<>]{0,1000}>""")

#: Content Security Policy 3, 2.3.1: ``base64-value``.
_NONCE = re.compile(r"[A-Za-z0-9+/_-]{1,256}={0,2}")


def ask_whole(fields: Headers) -> Headers:
    """Return a request's fields so that a page comes as a whole, and can be edited."""
    kept = _headers.without(fields, _NOT_ASKED, "")
    return [*kept, ("Accept-Encoding", "identity")]


def may_be_edited(status: int, named: t.Mapping[str, str]) -> bool:
    """Whether an answer may be a page with room for a script.

    :param named: Its fields by their names in lower case.
    """
    disposition = named.get("content-disposition", "").lstrip().lower()
    return (
        status == 200
        and named.get("content-type", "").partition(";")[0].strip().lower() == "text/html"
        and named.get("content-encoding", "identity").lower() == "identity"
        and not disposition.startswith("attachment")
        # RFC 9111 5.2.2.6
        and "no-transform" not in _headers.tokens(named.get("cache-control", ""))
    )


def edited_fields(fields: Headers, length: int | None, coding: str = "") -> Headers:
    """Return an edited page's fields.

    A page without validators is loaded anew each time. It must be: it names the path that it
    was loaded from, and its script must be the gateway's.

    :param fields: Those of the page as it was.
    :param length: Its length now, if that's known.
    :param coding: Its content coding now.
    """
    drop = _OUTDATED
    caching = set(_headers.tokens(_headers.get(fields, "cache-control")))
    if not caching & {"no-cache", "no-store"}:
        drop |= {"cache-control"}
    result = _headers.without(fields, drop, "")
    if "cache-control" in drop:
        result.append(("Cache-Control", "no-cache"))
    if not {"*", "accept-encoding"} & set(_headers.tokens(_headers.get(fields, "vary"))):
        result.append(("Vary", "Accept-Encoding"))
    if coding:
        result.append(("Content-Encoding", coding))
    if length is not None:
        result.append(("Content-Length", str(length)))
    return result


def find_head(page: bytes) -> int | None:
    """Return where the content of a page's head begins; 0 if it has none.

    :param page: A page, or how one begins.
    :return: ``None`` if the head may still come.
    """
    at = len(_BYTE_ORDER_MARK) if page.startswith(_BYTE_ORDER_MARK) else 0
    while True:
        if page.startswith(b"<!--", at):
            at = page.find(b"-->", at + 2) + 3
            if at < 3:
                return None
        elif found := _HEAD.match(page, at):
            return found.end()
        elif found := _BEFORE_HEAD.match(page, at):
            at = found.end()
        else:
            rest = page[at : at + 1000]
            is_cut = len(rest) < 1000 and rest[:1] in (b"", b"<") and b">" not in rest
            return None if is_cut else 0


def is_enough(page: bytes) -> bool:
    """Whether what has come of a page is all that there is to look at."""
    at = find_head(page)
    return at == 0 or (at is not None and _HEAD_END.search(page, at) is not None)


def is_streamlits(page: bytes) -> bool:
    """Whether a page's head loads Streamlit's frontend, relative to the page's own path."""
    end = _HEAD_END.search(page)
    return end is not None and _FRONTEND.search(page, 0, end.start()) is not None


def nonce(value: str) -> str:
    """Return a policy's nonce as a header field has it; ``""`` if it can't be one."""
    return value if _NONCE.fullmatch(value) else ""


def with_nonce(page: bytes, nonce: str) -> bytes:
    """Return a page, or its end, in which the scripts of Streamlit's head have a nonce."""
    end = _HEAD_END.search(page)
    at = end.start() if end is not None else len(page)
    head = _OWN_SCRIPTS.sub(rb'\g<0> nonce="%s"' % nonce.encode("ascii"), page[:at])
    return head + page[at:]


def opening_tag(attributes: t.Iterable[tuple[str, str]]) -> bytes:
    """Return a script's opening tag.

    :param attributes: Names and values, which are ASCII; the values may be anything else.
    """
    text = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes)
    return f"<script{text}>".encode("ascii")
