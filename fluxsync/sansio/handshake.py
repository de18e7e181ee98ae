"""The WebSocket opening handshake, on both legs (RFC 6455 4). No I/O.

The gateway passes frames on unchanged, so the handshake goes from end to end as well: the
client's key, subprotocols and extensions reach Streamlit, and its answer comes back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import typing as t

from ..exceptions import UpstreamProtocolError
from . import headers as _headers
from . import http1

if t.TYPE_CHECKING:
    from ..typing import Headers

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refusal(t.NamedTuple):
    """Why a request can't become a WebSocket."""

    status: int
    detail: str
    headers: Headers


class Answer(t.NamedTuple):
    """An HTTP/1.1 response head."""

    status: int
    reason: str
    headers: Headers


def is_upgrade(headers: Headers) -> bool:
    """Whether a client asks for a WebSocket.

    Some proxies send ``Connection: upgrade`` with every request, others drop it: what
    counts is ``Upgrade``.
    """
    return "websocket" in _headers.tokens(_headers.get(headers, "upgrade"))


def check_request(method: str, protocol: str, headers: Headers) -> Refusal | None:
    """Say what is wrong with a client's handshake (RFC 6455 4.2.1), or ``None``.

    It is strict, for a request that Streamlit doesn't take for a handshake while fluxsync
    does would leave the client with a raw connection to Streamlit.
    """
    if method != "GET":
        return Refusal(405, "a WebSocket starts with GET", [("Allow", "GET")])
    if protocol != "HTTP/1.1":
        return Refusal(400, "a WebSocket needs HTTP/1.1", [])
    if "upgrade" not in _headers.tokens(_headers.get(headers, "connection")):
        return Refusal(400, "the Connection field lacks 'upgrade'", [])
    if _headers.get(headers, "sec-websocket-version").strip() != "13":
        version = [("Sec-WebSocket-Version", "13")]
        return Refusal(426, "the WebSocket version must be 13", version)
    if _headers.get(headers, "content-length").strip() not in ("", "0") or _headers.get(
        headers, "transfer-encoding"
    ):
        return Refusal(400, "a WebSocket handshake has no body", [])
    try:
        key = base64.b64decode(_headers.get(headers, "sec-websocket-key"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 16:
        return Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64", [])
    if not _headers.are_wellformed(headers):
        # gunicorn 21 lets a bare LF through, which begins a new field for h11.
        return Refusal(400, "a header field is malformed", [])
    return None


def upstream_request(target: str, host: str, headers: Headers) -> bytes:
    """Return the handshake to send to Streamlit.

    :param host: ``Host`` field. Streamlit compares it with ``Origin`` (1.67: equal, port
        included), so it's the origin's where there is one.
    :param headers: End-to-end fields, ``Sec-WebSocket-*`` among them.
    """
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in headers if name.lower() != "host"]
    # uvicorn before 0.52 fails on handshakes with bytes over 0x7f; nothing needs them.
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace")


def parse_answer(head: bytes) -> Answer:
    """Parse a response head, without its final empty line.

    :raise UpstreamProtocolError: It isn't one.
    """
    try:
        parsed = http1.parse_head(head)
    except ValueError as e:
        raise UpstreamProtocolError(str(e)) from e
    return Answer(parsed.status, parsed.reason, parsed.fields)


def accept_key(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that answers a key."""
    # SHA-1 is what the protocol says; it protects against confusion, not attack.
    digest = hashlib.sha1(key.strip().encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def check_answer(answer: Answer, request_headers: Headers) -> None:
    """Make sure that a 101 answers this handshake (RFC 6455 4.1).

    :raise UpstreamProtocolError: It doesn't.
    """
    key = _headers.get(request_headers, "sec-websocket-key")
    if _headers.get(answer.headers, "sec-websocket-accept") != accept_key(key):
        raise UpstreamProtocolError("Sec-WebSocket-Accept does not answer the key")
    if "websocket" not in _headers.tokens(_headers.get(answer.headers, "upgrade")):
        raise UpstreamProtocolError("101 without 'Upgrade: websocket'")
    chosen = _headers.get(answer.headers, "sec-websocket-protocol")
    offered = [
        p.strip() for p in _headers.get(request_headers, "sec-websocket-protocol").split(",")
    ]
    if chosen and chosen not in offered:
        raise UpstreamProtocolError(f"subprotocol {chosen!r} was not offered")


def client_answer(answer: Answer, extra: Headers) -> bytes:
    """Return the 101 for the client: Streamlit's, in this hop's words."""
    keep = [
        (name, value)
        for name, value in _headers.to_client(answer.headers)
        if name.lower() not in ("content-length", "content-type")
    ]
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines += [f"{name}: {value}" for name, value in (*keep, *extra)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
