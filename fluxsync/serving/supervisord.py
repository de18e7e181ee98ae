"""The supervisor's process. Imports the standard library and what needs no more than that."""

from __future__ import annotations

import contextlib
import os
import pathlib
import resource
import socket
import stat
import typing as t

from ..bridges.relay import Relay, Session
from ..process.lifetime import Anchor, Lifetime
from ..process.state import StateDirectory
from ..process.supervisor import Supervisor
from ..telemetry import logs

if t.TYPE_CHECKING:
    from ..process.wire import Message


class SupervisorRelay(Relay):
    """The relay, fed with messages of gateway workers."""

    def adopt(self, message: Message) -> None:
        """Take over the sockets of a ``websocket`` message.

        :raise Exception: It isn't one; its files are closed.
        """
        try:
            split = int(message.data["split"])
            session = Session(**message.data["session"])
            if [stat.S_ISSOCK(os.fstat(file).st_mode) for file in message.files] != [True, True]:
                raise ValueError("a WebSocket is two sockets")
        except BaseException:
            message.close()
            raise
        client, upstream = (socket.socket(fileno=file) for file in message.files)
        self.add(session, client, upstream, message.payload[:split], message.payload[split:])


def main(arguments: list[str]) -> None:
    """Run the supervisor.

    :param arguments: State directory, descriptor of its lock, process id and start time of
        the anchor.
    """
    path, lock, anchor, anchor_start = arguments
    os.set_inheritable(int(lock), False)
    _allow_many_files()
    state_path = pathlib.Path(path)
    relay = SupervisorRelay()
    supervisor = Supervisor(
        StateDirectory(state_path.parent, state_path.name),
        Lifetime(Anchor(int(anchor), anchor_start)),
        relay,
        lambda level: logs.configure(level, background=True),
    )
    try:
        supervisor.run()
    finally:
        relay.stop(timeout=1.0)
        logs.drain(timeout=0.5)
    # Not sys.exit(): a thread that writes to a stopped terminal would keep the process.
    os._exit(0)


def _allow_many_files() -> None:
    """Raise the limit of open files as far as it goes: a WebSocket has two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
