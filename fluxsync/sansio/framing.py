"""How bodies are delimited (RFC 9112 6). No I/O."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    pass


class Framing(t.NamedTuple):
    """Where a body ends.

    Neither a length nor chunked means that there is none in a request, and that it ends
    with the connection in a response.
    """

    length: int | None = None
    chunked: bool = False

    @property
    def has_body(self) -> bool:
        """Whether there may be anything to read."""
        return self.chunked or bool(self.length)


def request_framing(
    content_length: str, transfer_encoding: str, *, input_terminated: bool
) -> Framing:
    """Return how a request's body is delimited.

    :param input_terminated: ``wsgi.input_terminated``: whether the server's input stream
        ends where the body ends. Without it, a chunked body can't be read.
    :raise ValueError: The length isn't one, or the body can't be read from this server.
    """
    if transfer_encoding:
        # RFC 9112 6.3: Transfer-Encoding overrides Content-Length.
        _check_coding(transfer_encoding)
        if not input_terminated:
            raise ValueError("this server does not pass chunked request bodies on")
        return Framing(chunked=True)
    return Framing(_length(content_length)) if content_length else Framing()


def response_framing(content_length: str, transfer_encoding: str) -> Framing:
    """Return how a response's body is delimited (RFC 9112 6.3).

    :raise ValueError: It isn't certain. The next answer on the connection might begin within
        this one, or the client might see another end than the gateway does.
    """
    if transfer_encoding:
        _check_coding(transfer_encoding)
        return Framing(chunked=True)
    return Framing(_length(content_length)) if content_length else Framing()


def _check_coding(value: str) -> None:
    # Whatever else it says besides, nobody here decodes it, and the field isn't passed on.
    if value.strip().lower() != "chunked":
        raise ValueError(f"transfer coding {value!r} is not supported")


def _length(value: str) -> int:
    # No body has 10^18 bytes, and some readers would wrap around there.
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise ValueError(f"Content-Length {value[:80]!r} is not a number")
    return int(value)
