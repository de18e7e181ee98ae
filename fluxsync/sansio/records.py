"""What is in the responses of a tunnel: records (see docs/tunnel.rst). No I/O.

.. code-block:: text

    type      1 byte
    length    3 bytes, big-endian
    payload

A response is a STATE, which says where the stream stands, and then DATA. It's of use as far as
it came: whoever reads it takes the part of a record that has arrived.
"""

from __future__ import annotations

import typing as t

STATE, DATA = 0, 1

#: Most bytes of one record.
MAX_LENGTH = (1 << 24) - 1
#: Content type of responses: one that proxies don't compress, for which they'd have to buffer.
CONTENT_TYPE = "application/octet-stream"


class State(t.NamedTuple):
    """Where a tunnel stands."""

    #: Position of the first byte of DATA that follows.
    offset: int = 0
    #: How much of the page's stream has come.
    received: int = 0
    #: Length of the stream towards the page so far.
    total: int = 0


def encode(kind: int, payload: bytes) -> bytes:
    """Return a record."""
    if len(payload) > MAX_LENGTH:
        raise ValueError(f"a record of {len(payload)} bytes")
    return (kind << 24 | len(payload)).to_bytes(4, "big") + payload


def encode_state(state: State, *words: str) -> bytes:
    """Return a STATE record.

    :param words: What else there is to say; readers ignore words that they don't know.
    """
    return encode(STATE, " ".join((*map(str, state), *words)).encode())


def encode_data(data: bytes) -> bytes:
    """Return DATA records; none for no data."""
    pieces = range(0, len(data), MAX_LENGTH)
    return b"".join(encode(DATA, data[at : at + MAX_LENGTH]) for at in pieces)
