"""A response that goes to a client past the WSGI server. No I/O."""

from __future__ import annotations

import dataclasses
import typing as t

from . import headers as _headers
from . import http1, rewriting
from .bodies import ChunkedBody, LengthBody
from .protection import NOTHING, Added


@dataclasses.dataclass(frozen=True)
class Context:
    """What a response's head depends on besides Streamlit's own. Travels as JSON."""

    request_id: str
    method: str
    #: Path that Streamlit was asked for.
    path: str
    root: str
    #: Hosts that mean Streamlit, in a ``Location``.
    authorities: tuple[str, ...] = ()
    #: What the response gets besides Streamlit's fields.
    added: Added = NOTHING

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Context:
        """Return it from JSON types."""
        authorities, added = tuple(data["authorities"]), Added.from_json(data["added"])
        return cls(**{**data, "authorities": authorities, "added": added})


class Head(t.NamedTuple):
    """A response's head."""

    status: int
    #: What the client gets.
    data: bytes
    #: How many bytes follow; ``None`` is all until the connection's end.
    length: int | None


def response_head(head: http1.Head, context: Context) -> Head:
    """Return the head for the client.

    The connection ends with this response: nobody but the WSGI server could read a next
    request from it.

    :param head: Streamlit's.
    :raise ValueError: It isn't certain where the body ends.
    """
    body = http1.response_body(head, context.method)
    # A length beside a transfer coding means nothing (RFC 9112 6.3), with or without a body.
    has_coding = "transfer-encoding" in head.named
    fields = _headers.for_client(
        head.fields, head.named.get("connection", ""), is_chunked=has_coding
    )
    fields = rewriting.rewrite(fields, context.path, context.root, context.authorities)
    fields = context.added.to(fields)
    if isinstance(body, ChunkedBody):
        # Its chunks pass as they are.
        fields.append(("Transfer-Encoding", "chunked"))
    lines = [f"HTTP/1.1 {head.status} {head.reason or 'Unknown'}"]
    if "date" in head.named:
        lines.append(f"Date: {head.named['date']}")
    lines += [f"{name}: {value}" for name, value in fields]
    if "x-request-id" not in head.named:
        lines.append(f"X-Request-Id: {context.request_id}")
    lines.append("Connection: close")
    data = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    return Head(head.status, data, body.left if isinstance(body, LengthBody) else None)


def error_response(status: int, title: str, detail: str, headers: t.Sequence[str] = ()) -> bytes:
    """Return a whole response of fluxsync's own, for a client that no WSGI server answers."""
    body = f"{detail}\n".encode()
    lines = [
        f"HTTP/1.1 {status} {title}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        *headers,
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body
