"""WebSocket close codes (RFC 6455 7.4 and IANA's registry). No I/O."""

from __future__ import annotations

import struct
import typing as t

NORMAL_CLOSURE = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_STATUS_RCVD = 1005
ABNORMAL_CLOSURE = 1006
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

NAMES: dict[int, str] = {
    NORMAL_CLOSURE: "normal closure",
    GOING_AWAY: "going away",
    PROTOCOL_ERROR: "protocol error",
    NO_STATUS_RCVD: "no status received",
    ABNORMAL_CLOSURE: "abnormal closure",
    MESSAGE_TOO_BIG: "message too big",
    INTERNAL_ERROR: "internal error",
    SERVICE_RESTART: "service restart",
    TRY_AGAIN_LATER: "try again later",
}

# RFC 6455 7.4.1: 1005, 1006, and 1015 "MUST NOT be set as a status code in a
# Close control frame".
_NOT_SENT = frozenset((NO_STATUS_RCVD, ABNORMAL_CLOSURE, 1015))


def label(code: int) -> str:
    """Return a code as metrics have it: few values, whatever clients make up."""
    if code in NAMES:
        return str(code)
    # RFC 6455 7.4.2: registered ones, and those of applications.
    return f"{code // 1000}xxx" if 3000 <= code < 5000 else "other"


class Close(t.NamedTuple):
    """What a close frame says."""

    code: int
    reason: str = ""

    def __str__(self) -> str:
        name = NAMES.get(self.code, "application defined")
        return f"{self.code} ({name})" + (f" {self.reason}" if self.reason else "")


def encode(close: Close) -> bytes:
    """Return a close frame's payload.

    :raise ValueError: The code isn't one that is ever sent.
    """
    if close.code in _NOT_SENT or not 1000 <= close.code < 5000:
        raise ValueError(f"{close.code} is never sent")
    # RFC 6455 5.5: a control frame's payload has 125 bytes at most; 2 are the code.
    reason = close.reason.encode()[:123].decode(errors="ignore").encode()
    return struct.pack("!H", close.code) + reason


def decode(payload: bytes) -> Close:
    """Return what a close frame's payload says; an empty one is 1005."""
    if len(payload) < 2:
        return Close(NO_STATUS_RCVD)
    (code,) = struct.unpack_from("!H", payload)
    return Close(code, payload[2:].decode(errors="replace"))
