"""An API WebSocket, as its handler sees it: simple-websocket's, with its gaps closed."""

from __future__ import annotations

import functools
import logging
import threading
import typing as t

import simple_websocket
from simple_websocket import ConnectionClosed
from wsproto.connection import ConnectionState
from wsproto.events import Ping
from wsproto.utilities import LocalProtocolError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..typing import WSGIEnvironment
    from .line import Line

logger = logging.getLogger("fluxsync.api")

NORMAL, GOING_AWAY, ABNORMAL, TOO_BIG, INTERNAL_ERROR = 1000, 1001, 1006, 1009, 1011
_FIRST_CODE, _LAST_CODE = 1000, 4999

#: Bytes read at a time: a TLS record, so that nothing stays in OpenSSL where nobody sees it.
#: It bounds what a compressed piece can become before it is counted, too.
_PIECE = 16384
#: Messages that wait for the handler, and their size, at which no more are read.
_MOST_MESSAGES = 64
_MOST_WAITING = 1024 * 1024


class WebSocket(simple_websocket.Server):  # type: ignore[misc] # it has no types
    """A WebSocket of the API; ``receive``, ``send``, ``close`` and the rest are the base's.

    What's different: messages of any size arrive whole, ``send`` may be called by several
    threads at once, and a client that sends more than the handler takes has to wait.

    :param environ: What handlers see of the request.
    :param line: The connection, not attached yet.
    :param claim: Attaches it, once the handshake is known to be good.
    :param ping_interval: Seconds between pings; 0 is none.
    :param max_message: Most bytes of a message; 0 is no limit.
    """

    def __init__(
        self,
        environ: WSGIEnvironment,
        line: Line,
        claim: Callable[[], None],
        subprotocols: Iterable[str],
        ping_interval: float,
        max_message: int,
    ) -> None:
        self.environ: dict[str, t.Any]
        self.connected: bool
        self._claim = claim
        self._line = line
        self._lock = threading.RLock()
        self._room = threading.Event()
        self._is_lost = False
        super().__init__(
            {**environ, "werkzeug.socket": line},
            subprotocols=list(subprotocols),
            receive_bytes=_PIECE,
            ping_interval=ping_interval or None,
            max_message_size=max_message or None,
            thread_class=functools.partial(threading.Thread, daemon=True),
            selector_class=functools.partial(_Selector, self),
        )

    def send(self, data: str | bytes | bytearray | memoryview) -> None:
        """Send a message, and return when the network has taken it.

        :param data: Text, or bytes for a binary message.
        :raise ConnectionClosed: The client has gone, or takes nothing.
        """
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        with self._lock:
            try:
                super().send(data)
            except LocalProtocolError as e:
                raise ConnectionClosed(self.close_reason, self.close_message) from e
        try:
            self._line.flush()
        except OSError as e:
            self._lose(ABNORMAL, str(e))
            raise ConnectionClosed(self.close_reason, self.close_message) from e

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """Return the next message; ``None`` when none came in so many seconds.

        :raise ConnectionClosed: The WebSocket is closed, and all that came before was returned.
        """
        message: str | bytes | None = super().receive(timeout)
        self._room.set()
        return message

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Begin the closing handshake.

        :param reason: Close code; 1000 if not given.
        :raise ConnectionClosed: It's closed.
        :raise ValueError: It's no close code (RFC 6455 7.4.2).
        """
        if reason is not None and not _FIRST_CODE <= reason <= _LAST_CODE:
            raise ValueError(f"close reason={reason!r}: expected a code from 1000 to 4999")
        with self._lock:
            try:
                super().close(reason, message)
            except LocalProtocolError as e:
                raise ConnectionClosed(self.close_reason, self.close_message) from e
        self._lose(reason or NORMAL, message)
        try:
            self._line.flush(wait=False)
        except OSError:
            logger.debug("a client has gone before its WebSocket was closed")

    def leave(self, code: int, message: str | None = None) -> None:
        """Close it, whatever state it's in, and wake the handler."""
        try:
            self.close(code, message)
        except ConnectionClosed:
            self._lose(self.close_reason, self.close_message)

    @property
    def traffic(self) -> tuple[int, int]:
        """How many bytes of frames the client has sent, and was sent."""
        return self._line.bytes_in, self._line.bytes_out

    def finish(self, timeout: float) -> None:
        """Give the connection back, at the end of the handler.

        :param timeout: Seconds that the client has to close it, too.
        """
        self.thread.join(timeout)
        if self.thread.is_alive():
            self._line.abort()
            self.thread.join(timeout)
        # After its close frame, nothing comes from the client that could get lost.
        self._line.hang_up(0.0 if self.ws.state is ConnectionState.CLOSED else timeout)

    def handshake(self) -> None:
        """Answer the opening handshake; the base's constructor calls this."""
        environ = self.environ
        # It wants no more, and other fields may have bytes that its parser refuses.
        self.environ = {
            key: value
            for key, value in environ.items()
            if key in ("HTTP_HOST", "HTTP_UPGRADE", "HTTP_CONNECTION")
            or key.startswith("HTTP_SEC_WEBSOCKET_")
        }
        self.environ.setdefault("HTTP_HOST", "localhost")
        super().handshake()
        self.environ = environ
        if self.connected:
            self._claim()
            self._line.flush()

    def _lose(self, reason: int, message: str | None) -> None:
        if self.connected or reason != ABNORMAL:
            self.close_reason, self.close_message = reason, message
        self._is_lost = True
        self.connected = False
        self.event.set()
        self._room.set()

    def _handle_events(self) -> bool:
        # Whatever has come is a sign of life: behind a large message, a pong is late.
        self.pong_received = True
        with self._lock:
            goes_on: bool = super()._handle_events()
            if self.max_message_size and self.incoming_message_len > self.max_message_size:
                self.close_reason = TOO_BIG
        self._line.flush(wait=False)
        if goes_on and self.connected:
            self._wait_for_room()
        # The base takes it for `connected`, even where a thread has closed it meanwhile.
        return goes_on and not self._is_lost

    def _wait_for_room(self) -> None:
        """Let the client wait while the handler doesn't take what has come."""
        while self.connected and self._is_full():
            self._room.clear()
            if self._is_full() and self.connected:
                self._wait_or_ping()
            self.pong_received = True  # it hasn't been read

    def _wait_or_ping(self) -> None:
        if not self._room.wait(self.ping_interval):
            # Its end isn't read either. The network says so if nobody takes this any more.
            with self._lock:
                self._line.send(self.ws.send(Ping()))
            self._line.flush(wait=False)

    def _is_full(self) -> bool:
        waiting = list(self.input_buffer)
        return len(waiting) > _MOST_MESSAGES or sum(map(len, waiting)) > _MOST_WAITING

    def _thread(self) -> None:
        try:
            super()._thread()
        except Exception:
            logger.exception("reading from a WebSocket failed")
        finally:
            self.connected = False
            self.event.set()


class _Selector:
    """What the base waits with where it sends pings."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._line: t.Any = None

    def register(self, line: Line, events: int, data: object) -> None:
        """Take note of the only connection."""
        del events, data
        self._line = line

    def select(self, timeout: float) -> bool:
        """Return whether something has come before it's time for a ping."""
        interval: float = self._websocket.ping_interval
        # The base goes by a clock that may be set back.
        return bool(self._line.wait(min(timeout, interval)))

    def close(self) -> None:
        """Do nothing: there's nothing of its own."""
