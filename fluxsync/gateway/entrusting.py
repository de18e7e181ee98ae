"""Entrust requests of tunnels to the supervisor, where the tunnels are."""

from __future__ import annotations

import dataclasses
import socket
import typing as t

from ..bridges import sockets
from ..exceptions import BridgeError, SupervisorError
from ..sansio import exchanges, http1
from ..tunnel import messages
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from ..process.client import SupervisorClient
    from ..telemetry.recorder import Recorder
    from ..typing import StartResponse
    from .request import Request

#: How long, in seconds, the supervisor may take for what it does at once.
_PATIENCE = 10.0


class Entrusting:
    """This process's way to the tunnels.

    Thread-safe.

    :param recorder: Takes note of requests that are passed on.
    """

    def __init__(self, supervisor: SupervisorClient, recorder: Recorder) -> None:
        self._supervisor = supervisor
        self._recorder = recorder

    def ask(
        self,
        request: Request,
        verb: messages.Verb,
        data: bytes = b"",
        upstream: socket.socket | None = None,
    ) -> exchanges.Reply:
        """Have the supervisor answer on a socket pair in place of the client's connection.

        That connection stays with the server, which may keep it for the next request.

        :raise SupervisorError: There's none, or not any more.
        :raise Failure: It doesn't answer.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as e:
            raise SupervisorError(f"no connection to the supervisor: {e.strerror}") from e
        with ours:
            with theirs:
                files = [theirs, upstream] if upstream is not None else [theirs]
                self._send(request, verb, data, files)
            ours.settimeout(_PATIENCE)
            parts = []
            try:
                while part := ours.recv(64 * 1024):
                    parts.append(part)
            except OSError as e:
                raise Failure(504, f"the supervisor does not answer: {e}") from e
        head, _, body = b"".join(parts).partition(b"\r\n\r\n")
        try:
            parsed = http1.parse_head(head)
            is_whole = len(body) == int(parsed.named["content-length"])
        except (ValueError, KeyError):
            is_whole = False
        if not is_whole:
            raise SupervisorError("the supervisor has just gone")
        return exchanges.Reply(parsed.status, body, parsed.named["content-type"])

    def leave(
        self,
        request: Request,
        verb: messages.Verb,
        client: socket.socket,
        start_response: StartResponse,
        body: tuple[bytes, int] = (b"", 0),
    ) -> Iterable[bytes]:
        """Have the supervisor answer on the client's connection, when it's time.

        :param body: What has come of the request's body, and how many bytes are still to come.
        :raise SupervisorError: There's none.
        """
        data, left = body
        described = dataclasses.asdict(request.exchange)
        self._send(request, verb, data, [client], described, left)
        self._recorder.pass_on(request.exchange)
        sockets.bury(client)
        # For the server's log; its connection is dead.
        start_response("202 Accepted", [("Content-Length", "0")])
        return [b""]

    def _send(
        self,
        request: Request,
        verb: messages.Verb,
        data: bytes,
        files: list[socket.socket],
        described: dict[str, t.Any] | None = None,
        left: int = 0,
    ) -> None:
        message = {
            "type": "tunnel",
            "request": messages.encode(verb),
            "request_id": request.request_id,
            "takes_chunks": request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1",
            "left": left,
            "exchange": described,
        }
        self._supervisor.hand_over(message, data, [file.fileno() for file in files])


def find_client(request: Request) -> socket.socket | None:
    """Return the client's connection if another process can be given it."""
    try:
        sock = sockets.find_socket(request.environ)
    except BridgeError:
        return None
    return sock if sockets.can_leave(sock) else None
