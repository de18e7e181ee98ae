"""Heads of HTTP/1.1 messages on the way to Streamlit and back (RFC 9112). No I/O.

Strict in both directions: what is read in two ways somewhere is neither sent nor taken, for
the next message on the connection may be somebody else's.
"""

from __future__ import annotations

import re
import typing as t

from . import headers as _headers
from .bodies import Body, ChunkedBody, LengthBody, UnboundedBody
from .framing import response_framing

if t.TYPE_CHECKING:
    from ..typing import Headers

#: Larger response heads are refused. h11 and uvicorn allow 64 kB, nginx 4-8 kB.
MAX_HEAD = 64 * 1024
#: So many interim responses (RFC 9110 15.2) may come before the final one. One 103 is usual.
MAX_INTERIM = 32

# RFC 9110 5.6.2 and 5.5: a field's name, and a value without control characters but the tab.
# Neither a bare CR or LF nor a folded line (RFC 9112 5.2) fits.
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TEXT = r"[^\x00-\x08\x0a-\x1f\x7f]*"
_REQUEST = re.compile(
    rf"{_NAME} [^\x00-\x20\x7f-\xff]+ HTTP/1\.1\r\n(?:{_NAME}: {_TEXT}\r\n)*\r\n".encode()
)
_RESPONSE = re.compile(rf"HTTP/1\.([0-9]) ([1-9][0-9]{{2}})(?: ({_TEXT}))?(?:\r\n{_NAME}:{_TEXT})*")


def request_head(method: str, target: str, fields: Headers) -> bytes:
    """Return a request's head.

    :param fields: Header fields; characters that latin-1 doesn't have become ``?``.
    :raise ValueError: It would be read as something else.
    """
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    text = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n"
    head = text.encode("latin-1", "replace")
    # A line break within a field makes a line more, which may look like another field.
    if head.count(b"\n") != len(fields) + 2 or _REQUEST.fullmatch(head) is None:
        raise ValueError("the request's target or a header field is malformed")
    return head


class Head(t.NamedTuple):
    """A response's head."""

    status: int
    reason: str
    fields: Headers
    #: Values by the field's name in lower case, several joined by a comma.
    named: dict[str, str]
    #: Whether the server means to take another request on the connection.
    keeps_alive: bool


def parse_head(data: bytes) -> Head:
    """Parse a response's head, without its final empty line.

    :raise ValueError: It isn't one, or says nothing certain about where its body ends.
    """
    text = data.decode("latin-1")
    found = _RESPONSE.fullmatch(text)
    first, *lines = text.split("\r\n")
    if found is None:
        raise ValueError(_complaint(first, lines))
    fields: Headers = []
    named: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.strip(" \t")
        fields.append((name, value))
        key = name.lower()
        named[key] = f"{named[key]}, {value}" if key in named else value
    minor, status, reason = found.groups(default="")
    return Head(int(status), reason, fields, named, _keeps_alive(minor, named))


def _keeps_alive(minor: str, named: t.Mapping[str, str]) -> bool:
    connection = named.get("connection")
    options = _headers.tokens(connection) if connection else ()
    if "transfer-encoding" in named and (minor == "0" or "content-length" in named):
        return False  # RFC 9112 6.1 and 6.3: it may be an attempt at smuggling
    return "keep-alive" in options if minor == "0" else "close" not in options


def _complaint(first: str, lines: list[str]) -> str:
    """Say what is wrong with a head."""
    if _RESPONSE.fullmatch(first) is None:
        return f"the status line is {first[:80]!r}"
    bad = [line for line in lines if _RESPONSE.fullmatch(f"{first}\r\n{line}") is None]
    return f"a header field is {bad[0][:80]!r}"


class HeadReader:
    """Finds a response's head in what arrives, and skips the interim ones (103)."""

    __slots__ = ("_interim", "rest", "started")

    def __init__(self) -> None:
        #: What came behind the head.
        self.rest = b""
        #: Whether anything has come.
        self.started = False
        self._interim = 0

    def feed(self, data: bytes) -> Head | None:
        """Return the head of the final response, as soon as it's there.

        :raise ValueError: It isn't one, or too much comes before it.
        """
        self.started = True
        data = self.rest + data if self.rest else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            if end > MAX_HEAD:
                break
            head, data = parse_head(data[:end]), data[end + 4 :]
            if head.status >= 200:
                self.rest = data
                return head
            self._skip(head)
        if len(data) > MAX_HEAD + 3:
            raise ValueError(f"the head is longer than {MAX_HEAD} bytes")
        self.rest = data
        return None

    def _skip(self, interim: Head) -> None:
        if interim.status == 101:
            raise ValueError("101, which nobody asked for")
        self._interim += 1
        if self._interim > MAX_INTERIM:
            raise ValueError(f"more than {MAX_INTERIM} interim responses")


def response_body(head: Head, method: str) -> Body:
    """Return what takes a response's body from the wire (RFC 9112 6.3).

    :param method: The request's.
    :raise ValueError: It isn't certain where the body ends.
    """
    named = head.named
    framing = response_framing(named.get("content-length", ""), named.get("transfer-encoding", ""))
    if method == "HEAD" or head.status in (204, 304):
        return LengthBody(0)
    if framing.chunked:
        return ChunkedBody()
    return UnboundedBody() if framing.length is None else LengthBody(framing.length)
