"""What a page asks of its tunnel, and the heads of the answers (see docs/tunnel.rst). No I/O."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from http import HTTPStatus

from . import records

#: How messages travel, from the best way to the last resort.
WEBSOCKET, STREAM, LONG_POLL, SHORT_POLL = "websocket", "stream", "long-poll", "short-poll"
#: Those of a tunnel.
TRANSPORTS = (STREAM, LONG_POLL, SHORT_POLL)

#: The field that makes a request one that no foreign page can send: browsers ask before they
#: send an unusual field elsewhere, and nobody says yes. Its value is the tunnel's id.
FIELD = "X-Fluxsync-Tunnel"
#: Its value before there is an id.
NEW = "new"

#: A word of a STATE: responses can't wait here.
NO_HOLD = "no-hold"

#: Cookie that binds a tunnel to its browser.
COOKIE = "fluxsync_browser"

#: Most bytes of a page's stream in one request. Proxies allow 1 MB by default.
PIECE = 256 * 1024
#: Seconds between signs of life in a streamed response. Some hosts cut what is silent for 29.
KEEPALIVE = 15.0

# A position: no more than what a JavaScript number holds exactly.
_NUMBER = re.compile(r"[0-9]{1,15}")
_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
_REASON = re.compile(r"[a-z]+(?:[-+][a-z]+){0,7}|")
# RFC 9110 5.6.2, as RFC 6455 4.1 wants subprotocols to be. Streamlit puts tokens there, which
# end in "=" now and then, as browsers allow.
_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z=/:]{1,4096}")
_MAX_PROTOCOLS = 8


class Ask(t.NamedTuple):
    """The parameters of an exchange."""

    #: Position of the first byte of the request's body in the page's stream.
    sent: int
    #: Position up to which the page has received Streamlit's.
    received: int
    #: Seconds that the answer may take if there's nothing to say; 0 is at once.
    wait: float
    #: Most bytes that the page wants now.
    limit: int
    #: Transport that the page uses.
    mode: str


class Opening(t.NamedTuple):
    """What a page says when it opens a tunnel."""

    protocols: tuple[str, ...]
    transport: str
    #: Why it isn't a WebSocket; ``pinned`` or ``""`` if the setting says so.
    reason: str


def parameters(query: str) -> dict[str, str]:
    """Return the parameters of a query, none of which needs an encoding.

    :raise ValueError: One is malformed, or there twice.
    """
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name in found or not re.fullmatch(r"[a-z]{1,16}", name) or not value.isascii():
            raise ValueError("the query is malformed")
        found[name] = value
    return found


def parse_ask(query: str, max_wait: float) -> Ask:
    """Return what an exchange asks for.

    :param max_wait: Longest wait that's allowed, in seconds.
    :raise ValueError: It's malformed.
    """
    found = parameters(query)
    mode = found.pop("mode", "")
    if mode not in TRANSPORTS:
        raise ValueError(f"mode is one of {', '.join(TRANSPORTS)}")
    numbers = [_number(found, name) for name in ("sent", "received", "wait", "limit")]
    if found:
        raise ValueError(f"unknown parameters: {', '.join(sorted(found))}")
    sent, received, wait, limit = numbers
    return Ask(sent, received, min(float(wait), max_wait), limit, mode)


def parse_key(query: str) -> tuple[str, bool]:
    """Return the key of a probe, and whether it's the acknowledgement.

    :raise ValueError: It's malformed.
    """
    found = parameters(query)
    key, ack = found.pop("key", ""), found.pop("ack", "0")
    if not _ID.fullmatch(key) or ack not in ("0", "1") or found:
        raise ValueError("key is 16 to 64 letters and digits, and ack is 1, if anything")
    return key, ack == "1"


def is_id(text: str) -> bool:
    """Whether this can be a tunnel's id."""
    return _ID.fullmatch(text) is not None


#: Why pages have no WebSocket, and what they find out about the way to here besides.
_REASONS = ("pinned", "websocket-timeout", "websocket-silent", "websocket-refused")
_FINDINGS = ("", "no-hold", "serial", "buffered")


def parse_opening(body: bytes) -> Opening:
    """Return what the body of an opening says.

    :raise ValueError: It's malformed.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body isn't JSON") from None
    if not isinstance(data, dict):
        raise ValueError("the body isn't a JSON object")
    protocols, transport, reason = (data.get(n) for n in ("protocols", "transport", "reason"))
    if (
        not isinstance(protocols, list)
        or len(protocols) > _MAX_PROTOCOLS
        or len(set(map(str, protocols))) < len(protocols)
        or not all(isinstance(name, str) and _PROTOCOL.fullmatch(name) for name in protocols)
    ):
        raise ValueError("protocols is a list of different subprotocols")
    if transport not in TRANSPORTS:
        raise ValueError(f"transport is one of {', '.join(TRANSPORTS)}")
    if not isinstance(reason, str) or len(reason) > 64 or not _REASON.fullmatch(reason):
        raise ValueError("reason is words in lower case, joined by - and +")
    return Opening(tuple(protocols), transport, reason)


def reason_label(reason: str) -> str:
    """Return an opening's reason as metrics have it: few values, whatever clients make up."""
    why, _, what_else = reason.partition("+")
    is_known = why in _REASONS and what_else in _FINDINGS
    return reason if is_known else "other"


def _number(found: dict[str, str], name: str) -> int:
    text = found.pop(name, "")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is a number")
    return int(text)


@dataclasses.dataclass(frozen=True)
class Reply:
    """A response that the supervisor gives itself. Its connection ends with it."""

    status: int
    body: bytes
    content_type: str = records.CONTENT_TYPE

    def head(self, request_id: str, framing: str) -> bytes:
        """Return the head.

        :param framing: The field that says where the body ends; ``""`` where the connection's
            end does.
        """
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.content_type}",
            *([framing] if framing else []),
            *(f"{name}: {value}" for name, value in HEADERS),
            f"X-Request-Id: {request_id}",
            "Connection: close",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def encode(self, request_id: str) -> bytes:
        """Return all of the response."""
        return self.head(request_id, f"Content-Length: {len(self.body)}") + self.body


#: Fields of all answers. nginx doesn't collect a response in its buffers if it's told so.
HEADERS = (
    ("Cache-Control", "no-store, no-transform"),
    ("X-Accel-Buffering", "no"),
    ("X-Content-Type-Options", "nosniff"),
    (FIELD, "1"),
)


def problem(status: int, detail: str) -> Reply:
    """Return an error for the page's script (RFC 9457)."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return Reply(status, json.dumps(body).encode(), "application/problem+json")
