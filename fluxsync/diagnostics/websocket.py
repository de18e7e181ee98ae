"""Open a WebSocket as Streamlit's page does, and watch it."""

from __future__ import annotations

import base64
import dataclasses
import os
import time
import typing as t

from ..exceptions import UpstreamProtocolError
from ..gateway.websocket import GREETING_QUERY
from ..sansio import closecodes, frames, handshake, http1
from .connection import Connection, Deadline, Failed
from .observations import LIMIT, Answer, Socket, Trouble

if t.TYPE_CHECKING:
    from .address import Address
    from .client import Client

_GREETING = b"fluxsync"
_PING = b"doctor"
#: How long a greeting, or the answer to a ping, may take, in seconds.
_SHORTLY = 5.0


def watch(client: Client, address: Address) -> Socket:
    """Open a WebSocket, see whether messages pass, and leave it alone for a while.

    :param address: Streamlit's WebSocket, with ``http`` or ``https``.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    request_id = f"doctor-{os.urandom(8).hex()}"
    # As the page says it: its token, or that it has none.
    token = client.cookie("_streamlit_xsrf") or "PLACEHOLDER_AUTH_TOKEN"
    fields = [
        ("Origin", address.origin),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Protocol", f"streamlit, {token}"),
    ]
    fields = client.fields(address, fields, request_id)
    target = f"{address.path}?{GREETING_QUERY}"
    request = handshake.upstream_request(target, address.authority, fields)
    start = time.monotonic()
    deadline = Deadline(client.options.timeout)

    def failed(e: Failed) -> Socket:
        seconds = time.monotonic() - start
        return Socket(Answer(address, trouble=e.trouble, detail=e.detail, seconds=seconds))

    try:
        connection = Connection(address, client.tls, deadline)
    except Failed as e:
        return failed(e)
    with connection:
        try:
            connection.send(request, deadline)
            head, rest = _head(connection, deadline)
        except Failed as e:
            return failed(e)
        seconds = time.monotonic() - start
        answer = Answer(address, head.status, head.fields, seconds=seconds, request_id=request_id)
        if head.status != 101:
            body = _body(connection, rest, head, deadline)
            return Socket(dataclasses.replace(answer, body=body))
        try:
            handshake.check_answer(handshake.Answer(101, head.reason, head.fields), fields)
        except UpstreamProtocolError as e:
            return Socket(answer, str(e))
        if not answer.get("sec-websocket-protocol"):
            return Socket(answer, "Sec-WebSocket-Protocol is missing")
        return _use(_Frames(connection, rest), answer, client.options.patience)


def _head(connection: Connection, deadline: Deadline) -> tuple[http1.Head, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.receive(deadline)
        if not piece:
            raise Failed(Trouble.BROKEN, "the connection ended without an answer")
        data += piece
        if len(data) > 2 * http1.MAX_HEAD:
            raise Failed(Trouble.NOT_HTTP, "the head has no end")
    head, _, rest = data.partition(b"\r\n\r\n")
    try:
        return http1.parse_head(head), rest
    except ValueError as e:
        raise Failed(Trouble.NOT_HTTP, str(e)) from e


def _body(connection: Connection, rest: bytes, head: http1.Head, deadline: Deadline) -> bytes:
    """Return the body of a refusal, or as much as comes of it."""
    try:
        body = http1.response_body(head, "GET")
        data = body.feed(rest)
        while not (body.complete or body.error) and len(data) < LIMIT:
            piece = connection.receive(deadline)
            if not piece:
                break
            data += body.feed(piece)
    except ValueError:
        return rest
    except Failed:
        pass  # what has come says enough
    return data[:LIMIT]


def _use(incoming: _Frames, answer: Answer, patience: float) -> Socket:
    if not incoming.wait_for(frames.OP_TEXT, _GREETING, Deadline(_SHORTLY)):
        return Socket(answer)
    ponged = incoming.ping(Deadline(_SHORTLY))
    if not ponged:
        return Socket(answer, greeted=True)
    start = time.monotonic()
    incoming.wait_for(None, b"", Deadline(patience))
    held = time.monotonic() - start
    if not incoming.is_over:
        incoming.close()
    return Socket(answer, greeted=True, ponged=True, held=held, cut=incoming.is_over)


class _Frames:
    """The server's frames, one after the other."""

    def __init__(self, connection: Connection, data: bytes) -> None:
        self._connection = connection
        self._data = data
        self.is_over = False

    def ping(self, deadline: Deadline) -> bool:
        """Return whether a ping is answered."""
        try:
            self._connection.send(frames.ping_frame(_PING, os.urandom(4)), deadline)
        except Failed:
            self.is_over = True
            return False
        return self.wait_for(frames.OP_PONG, _PING, deadline)

    def close(self) -> None:
        """Say goodbye; the connection is closed afterwards anyway."""
        frame = frames.close_frame(closecodes.Close(1000, ""), os.urandom(4))
        try:
            self._connection.send(frame, Deadline(_SHORTLY))
        except Failed:
            self.is_over = True

    def wait_for(self, opcode: int | None, payload: bytes, deadline: Deadline) -> bool:
        """Return whether a frame comes; with ``None``, wait for the end only."""
        while not self.is_over:
            while (frame := self._next()) is not None:
                if frame == (opcode, payload):
                    return True
                if frame[0] == frames.OP_CLOSE:
                    self.is_over = True
            if self.is_over or not deadline.left:
                break
            try:
                piece = self._connection.receive(deadline)
            except Failed as e:
                if e.trouble is Trouble.TIMEOUT:
                    continue
                piece = b""
            self._data += piece
            self.is_over = not piece or len(self._data) > LIMIT
        return False

    def _next(self) -> tuple[int, bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(data[2:at], "big")
        if len(data) < at + size:
            return None
        self._data = data[at + size :]
        return data[0] & 0x0F, data[at : at + size]
