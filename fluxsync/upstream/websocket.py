"""Open a WebSocket to Streamlit, up to the point where bytes can be relayed."""

from __future__ import annotations

import socket
import time
import typing as t

from ..exceptions import UpstreamProtocolError, UpstreamTimeout
from ..sansio import handshake, http1
from ..sansio import headers as _headers
from .connections import open_socket

if t.TYPE_CHECKING:
    from ..typing import Headers

#: How much of a refusal's body is passed on.
MAX_REFUSAL = 64 * 1024


class Opened(t.NamedTuple):
    """Streamlit said 101."""

    socket: socket.socket
    answer: handshake.Answer
    #: What came right behind the 101.
    early: bytes


class Refused(t.NamedTuple):
    """Streamlit said something else."""

    answer: handshake.Answer
    body: bytes


def open_websocket(
    address: tuple[str, int],
    target: str,
    host: str,
    headers: Headers,
    *,
    connect_timeout: float | None,
    open_timeout: float | None,
) -> Opened | Refused:
    """Send a client's handshake to Streamlit and wait for the answer.

    :param host: The ``Host`` field for Streamlit.
    :param headers: End-to-end fields, the client's ``Sec-WebSocket-*`` among them.
    :param connect_timeout: Seconds; ``None`` is no limit.
    :param open_timeout: Seconds for the answer's head, all in all; ``None`` is no limit.
    :raise UpstreamError: There is no answer, or one that isn't valid.
    """
    sock = open_socket(address, connect_timeout)
    try:
        deadline = None if open_timeout is None else time.monotonic() + open_timeout
        sock.settimeout(open_timeout)
        sock.sendall(handshake.upstream_request(target, host, headers))
        answer, rest = _read_answer(sock, deadline)
        if answer.status == 101:
            handshake.check_answer(answer, headers)
            sock.settimeout(None)
            opened = Opened(sock, answer, rest)
            sock = None  # type: ignore[assignment] # it's the caller's from here on
            return opened
        return Refused(answer, _read_refusal(sock, answer, rest))
    except TimeoutError as e:
        raise UpstreamTimeout(
            "Streamlit did not answer the WebSocket handshake in time (gateway_ws_open_timeout_s)"
        ) from e
    except OSError as e:
        raise UpstreamProtocolError(f"Streamlit broke off the WebSocket handshake: {e!r}") from e
    finally:
        if sock is not None:
            sock.close()


def _read_answer(sock: socket.socket, deadline: float | None) -> tuple[handshake.Answer, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > http1.MAX_HEAD:
            raise UpstreamProtocolError("the head of the handshake's answer is too long")
        if deadline is not None:
            # One limit for the head as a whole, however it trickles in.
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
        chunk = sock.recv(16 * 1024)
        if not chunk:
            raise UpstreamProtocolError("Streamlit closed the connection within the handshake")
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    return handshake.parse_answer(head), rest


def _read_refusal(sock: socket.socket, answer: handshake.Answer, body: bytes) -> bytes:
    """Read as much of a refusal as its length says; refusals are short."""
    length = _headers.get(answer.headers, "content-length")
    wanted = min(int(length), MAX_REFUSAL) if length.isdecimal() else 0
    try:
        while len(body) < wanted and (chunk := sock.recv(wanted - len(body))):
            body += chunk
    except OSError:
        pass
    return body[:wanted]
