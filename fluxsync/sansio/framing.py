"""How a request's body is delimited (RFC 9112 6). No I/O."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Framing:
    """Where a request body ends.

    Neither a length nor chunked means that there is no body.
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
        if not input_terminated:
            raise ValueError("this server does not pass chunked request bodies on")
        return Framing(chunked=True)
    if not content_length:
        return Framing()
    if not (content_length.isascii() and content_length.isdigit()):
        raise ValueError(f"Content-Length {content_length!r} is not a number")
    return Framing(length=int(content_length))
