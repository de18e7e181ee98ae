"""The supervisor's process. Imports the standard library and what needs no more than that."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import pathlib
import resource
import socket
import stat
import typing as t

from ..bridges.limits import Limits
from ..bridges.relay import Relay, Session
from ..process.lifetime import Anchor, Lifetime
from ..process.state import StateDirectory
from ..process.supervisor import Supervisor
from ..sansio.relayed import Context
from ..telemetry import logs, metrics
from ..telemetry.access import Exchange
from ..telemetry.recorder import Recent, Recorder
from ..tunnel import messages
from ..tunnel.arrivals import Arrival
from ..tunnel.registry import Tunnels
from ..tunnel.replies import Caller

if t.TYPE_CHECKING:
    from ..process.spec import Spec
    from ..process.wire import Message
    from ..sansio.admission import Full

#: How many WebSockets that are closed wait for a worker, which makes their spans.
_MAX_CLOSED = 1000


class SupervisorRelay:
    """The relay, fed with messages of gateway workers.

    :param files: How many files this process may have open.
    """

    def __init__(self, files: int) -> None:
        self._files = files
        #: Called when :attr:`full` or :attr:`closed` has changed.
        self.on_full: t.Callable[[], None] = lambda: None
        self._tally = metrics.Tally()
        self._recorder = Recorder(self._tally, Recent())
        #: Those that no worker has been told of; the oldest are lost if they become too many.
        self.closed: collections.deque[dict[str, t.Any]] = collections.deque(maxlen=_MAX_CLOSED)
        self._relay = Relay(
            on_full=lambda: self.on_full(), tally=self._tally, on_traced=self._note_closed
        )
        self._tunnels = Tunnels(self._relay)
        self.close_all = self._relay.close_all
        self.counts = self._relay.counts
        self.stop = self._relay.stop

    @property
    def transfers(self) -> int:
        """Number of uploads and downloads that go on."""
        return self._relay.transfers

    def _note_closed(self, facts: dict[str, t.Any]) -> None:
        """Have a worker told of a WebSocket that is closed: this process makes no spans."""
        self.closed.append({"type": "span", "span": facts})
        self.on_full()

    def report(self) -> dict[str, t.Any]:
        """Return what was counted here, and which requests ended here last."""
        self._relay.count_bytes()
        figures = self._tally.figures()
        for transport, number in self._tunnels.counts().items():
            figures.append((metrics.TUNNELS_OPEN.name, (transport,), [float(number)]))
        recent = self._recorder.recent
        return {"figures": figures, "recent": recent.entries() if recent else []}

    def tunnels(self) -> dict[str, dict[str, int]]:
        """Return the number of open tunnels by transport, and by why they're needed."""
        return {"transports": self._tunnels.counts(), "reasons": self._tunnels.reasons()}

    @property
    def full(self) -> Full:
        """Whose WebSockets would be refused."""
        return self._relay.full

    def configure(self, limits: t.Mapping[str, t.Any]) -> None:
        """Treat what comes from now on like this."""
        self._relay.configure(Limits.from_json(limits).within(self._files))

    def adopt(self, message: Message) -> None:
        """Take over what a worker hands over.

        :raise Exception: It can't be understood; its files are closed.
        """
        try:
            take_over = self._understand(message)
        except BaseException:
            message.close()
            raise
        # From here on, the files belong to objects, which close them.
        take_over()

    def _understand(self, message: Message) -> t.Callable[[], None]:
        """Return what takes over what the message is about."""
        data, payload = message.data, message.payload
        kinds = [os.fstat(file).st_mode for file in message.files]
        is_socket = [stat.S_ISSOCK(kind) for kind in kinds]
        if data["type"] == "tunnel":
            return self._understand_tunnel(message, is_socket)
        if data["type"] == "download" and len(kinds) == 2 and stat.S_ISREG(kinds[1]):
            is_socket[1] = True  # or a file to send
        if is_socket != [True, True]:
            raise ValueError("a connection and what belongs to it are handed over")
        if data["type"] == "websocket":
            session, split = Session(**data["session"]), int(data["split"])
            early = payload[:split], payload[split:]
            return lambda: self._relay.add(session, *_sockets(message), *early)
        left = int(data["left"])
        exchange = self._take_over(data)
        ended = self._recorder.ended(exchange)
        if data["type"] == "upload":
            context = Context.from_json(data["context"])
            answered = self._recorder.answered(exchange)
            return lambda: self._relay.upload(context, _sockets(message), left, payload, answered)
        if stat.S_ISREG(kinds[1]):
            client, file = message.files
            return lambda: self._relay.download(
                socket.socket(fileno=client),
                os.fdopen(file, "rb", buffering=0),
                left,
                payload,
                ended,
            )
        return lambda: self._relay.download(*_sockets(message), left, payload, ended)

    def _take_over(self, data: t.Mapping[str, t.Any]) -> Exchange:
        """Return the request whose end is seen here."""
        exchange = Exchange(**data["exchange"])
        self._recorder.take_over(exchange)
        return exchange

    def _understand_tunnel(self, message: Message, is_socket: list[bool]) -> t.Callable[[], None]:
        data, tunnels = message.data, self._tunnels
        verb = messages.decode(data["request"])
        if is_socket != [True] * (2 if isinstance(verb, messages.Opened) else 1):
            raise ValueError("a connection comes with a request, and Streamlit's with the first")
        over: t.Callable[[int, int, str], None] = _ignore
        if data["exchange"]:
            # Else the worker sees the end.
            over = self._recorder.answered(self._take_over(data))
        request_id, takes_chunks = str(data["request_id"]), bool(data["takes_chunks"])
        loop, left = self._relay.loop, int(data["left"])

        def take_over() -> None:
            client, *others = (socket.socket(fileno=file) for file in message.files)
            caller = Caller(client, request_id, takes_chunks, over)

            def serve(body: bytes = message.payload) -> None:
                verb.serve(tunnels, caller, body, others)

            def wait() -> None:
                timeout = self._relay.limits.client_timeout
                Arrival(loop, caller, message.payload, left, timeout, serve).start()

            loop.call(wait if left else serve)

        return take_over


def _ignore(*outcome: object) -> None:
    """Leave what has become of a request to the worker that asked."""


def _sockets(message: Message) -> tuple[socket.socket, socket.socket]:
    client, other = message.files
    return socket.socket(fileno=client), socket.socket(fileno=other)


def main(arguments: list[str]) -> None:
    """Run the supervisor.

    :param arguments: State directory, descriptor of its lock, process id and start time of
        the anchor.
    """
    path, lock, anchor, anchor_start = arguments
    os.set_inheritable(int(lock), False)
    state_path = pathlib.Path(path)
    relay = SupervisorRelay(_allow_many_files())
    supervisor = Supervisor(
        StateDirectory(state_path.parent, state_path.name),
        Lifetime(Anchor(int(anchor), anchor_start)),
        relay,
        _configure_logs,
    )
    relay.on_full = supervisor.wake
    status = 0
    try:
        supervisor.run()
    except Exception:
        # Whatever it is: Python itself would print it as it is, with what secrets it has.
        logging.getLogger("fluxsync.supervisor").exception("supervisor fails")
        status = 1
    finally:
        relay.stop(timeout=1.0)
        logs.drain(timeout=0.5)
    # Not sys.exit(): a thread that writes to a stopped terminal would keep the process.
    os._exit(status)


def _configure_logs(spec: Spec) -> None:
    logs.configure(spec.log_level, spec.log_format, secrets=spec.secrets, background=True)


def _allow_many_files() -> int:
    """Raise the limit of open files as far as it goes, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft
