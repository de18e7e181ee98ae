"""Give connections to a relay, so that no thread waits for slow clients."""

from __future__ import annotations

import atexit
import dataclasses
import os
import resource
import socket
import typing as t

from ..bridges import sockets
from ..bridges.limits import Limits
from ..bridges.relay import Relay, Session
from ..exceptions import SupervisorError
from ..telemetry.tracing import record

if t.TYPE_CHECKING:
    from ..bridges.downloads import Source
    from ..config import FluxSyncSettings
    from ..process.client import SupervisorClient
    from ..sansio.admission import Full
    from ..sansio.relayed import Context
    from ..telemetry.recorder import Recorder
    from .request import Request


#: Seconds that browsers get to take note of this process's end.
_GOODBYE = 0.5


class HandOver:
    """Hands over to the supervisor's relay, or else to one in a thread of this process.

    Thread-safe. What is handed over is the WSGI server's no more: it's left a dead connection
    in its place.

    :param recorder: Takes note of requests that end here, or are passed on.
    """

    def __init__(
        self, settings: FluxSyncSettings, supervisor: SupervisorClient, recorder: Recorder
    ) -> None:
        self._supervisor = supervisor
        self._recorder = recorder
        self._limits = relay_limits(settings)
        self._is_local = settings.gateway_ws_relay == "worker"
        self._relays: dict[str, Relay] = {}

    @property
    def _local(self) -> Relay:
        """Relays what can't be handed over, in a thread of this process.

        Made when it's needed: before a fork, gevent has yet to patch what locks are.
        """
        if not self._relays:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            # Threads may make one each; the first stays.
            relay = Relay(self._limits.within(files), tally=self._recorder.tally, on_traced=record)
            self._relays.setdefault("local", relay)
            atexit.register(self._relays["local"].end, _GOODBYE)
        return self._relays["local"]

    def full(self, client: socket.socket) -> Full:
        """Return whose WebSockets would be refused, by the relay that gets this connection."""
        return self._local.full if self._stays(client) else self._supervisor.full

    def websocket(
        self,
        session: Session,
        client: socket.socket,
        upstream: socket.socket,
        to_client: bytes,
        to_upstream: bytes,
    ) -> None:
        """Leave a WebSocket to the relay; ``upstream`` is still the caller's to close."""
        message = {
            "type": "websocket",
            "session": dataclasses.asdict(session),
            "split": len(to_client),
        }
        if not self._send(message, to_client + to_upstream, client, upstream):
            taken = sockets.take(client)
            self._local.add(session, taken, upstream.dup(), to_client, to_upstream)

    def upload(
        self,
        request: Request,
        context: Context,
        client: socket.socket,
        upstream: socket.socket,
        left: int,
        first: bytes,
    ) -> None:
        """Leave a request to the relay whose body is still to come.

        :param left: How many bytes the client still has to send.
        :param first: What Streamlit gets before: the request's head, and what has come.
        """
        exchange = request.exchange
        message = {
            "type": "upload",
            "exchange": dataclasses.asdict(exchange),
            "context": dataclasses.asdict(context),
            "left": left,
        }
        if self._send(message, first, client, upstream):
            self._recorder.pass_on(exchange)
        else:
            exchange.is_handed_over = True
            pair = sockets.take_plain(client), upstream.dup()
            self._local.upload(context, pair, left, first, self._recorder.answered(exchange))

    def download(
        self, request: Request, client: socket.socket, source: Source, left: int, first: bytes
    ) -> None:
        """Leave the rest of a response to the relay; ``source`` is still the caller's to close.

        :param left: How many bytes of the source are still to be sent.
        :param first: What is to be sent before.
        """
        exchange = request.exchange
        message = {"type": "download", "exchange": dataclasses.asdict(exchange), "left": left}
        if self._send(message, first, client, source):
            self._recorder.pass_on(exchange)
        else:
            exchange.is_handed_over = True
            over = self._recorder.ended(exchange)
            taken = sockets.take_plain(client)
            self._local.download(taken, _duplicate(source), left, first, over)

    def _stays(self, client: socket.socket) -> bool:
        return self._is_local or not sockets.can_leave(client)

    def _send(
        self, message: t.Mapping[str, t.Any], payload: bytes, client: socket.socket, other: Source
    ) -> bool:
        """Give it to the supervisor; return whether it took it."""
        if self._stays(client):
            return False
        try:
            self._supervisor.hand_over(message, payload, (client.fileno(), other.fileno()))
        except SupervisorError:
            # It has just gone, and Streamlit with it, unless somebody else runs that.
            return False
        sockets.bury(client)
        return True


def relay_limits(settings: FluxSyncSettings) -> Limits:
    """Return what the settings say of the relay."""
    return Limits(
        ping_interval=settings.gateway_ws_ping_interval_s,
        ping_timeout=settings.gateway_ws_ping_timeout_s,
        close_timeout=settings.gateway_ws_close_timeout_s,
        idle_timeout=settings.gateway_ws_idle_timeout_s,
        max_message=settings.gateway_ws_max_message_bytes,
        max_frame=settings.gateway_ws_max_frame_bytes,
        max_connections=settings.gateway_ws_max_connections,
        max_connections_per_client=settings.gateway_ws_max_connections_per_client,
        client_timeout=settings.gateway_client_timeout_s,
        upstream_timeout=settings.gateway_upstream_read_timeout_s,
        tunnel_window=settings.gateway_tunnel_window_bytes,
        max_tunnels=settings.gateway_tunnel_max_tunnels,
        max_tunnel_bytes=settings.gateway_tunnel_max_bytes,
        tunnel_timeout=settings.gateway_tunnel_timeout_s,
        max_tunnel_age=settings.gateway_tunnel_max_age_s,
    )


def _duplicate(source: Source) -> Source:
    """Return the same open file under another number."""
    if isinstance(source, socket.socket):
        return source.dup()
    return os.fdopen(os.dup(source.fileno()), "rb", buffering=0)
