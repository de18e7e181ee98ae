"""How bodies are delimited (RFC 9112 6). No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from . import headers as _headers

if t.TYPE_CHECKING:
    from ..typing import Headers


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
        _check_coding(transfer_encoding)
        if not input_terminated:
            raise ValueError("this server does not pass chunked request bodies on")
        return Framing(chunked=True)
    if not content_length:
        return Framing()
    _check_length(content_length)
    return Framing(length=int(content_length))


def check_response(headers: Headers) -> None:
    """Make sure that it's certain where a response's body ends (RFC 9112 6.3).

    Else the next answer on the connection might begin within this one, or the client might
    see another end than the gateway does.

    :raise ValueError: It isn't.
    """
    coding = _headers.get(headers, "transfer-encoding")
    length = _headers.get(headers, "content-length").strip(" \t")
    if coding:
        _check_coding(coding)
    elif length:
        _check_length(length)


def _check_coding(value: str) -> None:
    # Whatever else it says besides, nobody here decodes it, and the field isn't passed on.
    if value.strip().lower() != "chunked":
        raise ValueError(f"transfer coding {value!r} is not supported")


def _check_length(value: str) -> None:
    if not (value.isascii() and value.isdigit()):
        raise ValueError(f"Content-Length {value!r} is not a number")
