"""Wait for many sockets: epoll where there is one, and what ``selectors`` has elsewhere.

``selectors`` makes a tuple for each event. That's a third of what relaying a small frame
costs, so epoll is used as it is.
"""

from __future__ import annotations

import select
import selectors
import socket
import typing as t

if t.TYPE_CHECKING:
    from .tls import TlsSocket

#: A connection that was taken from a WSGI server.
Connection: t.TypeAlias = "socket.socket | TlsSocket"

#: As EPOLLIN and EPOLLOUT. Errors and hang-ups come as other bits, whatever was asked for.
READ, WRITE = 1, 4


class Watched(t.Protocol):
    """What is called when something happens on a socket."""

    def on_events(self, events: int) -> None:
        """Take bits of READ, WRITE and others, which mean that a read will tell."""

    def fail(self, reason: str) -> None:
        """End, as handling the events has failed."""


class Poller(t.Protocol):
    """Sockets, and who is called when something happens on them. Belongs to one thread."""

    #: By number of the socket.
    watched: dict[int, Watched]

    def watch(self, sock: Connection, before: int, events: int, watched: Watched) -> None:
        """Wait for other events than before; 0 forgets the socket.

        :param before: What was waited for until now; 0 if the socket is new.
        """

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """Return numbers of sockets and what happened on them.

        :param timeout: Seconds; ``None`` is no limit.
        """

    def close(self) -> None:
        """Forget everything."""


class EpollPoller:
    """:class:`Poller` with Linux's epoll(7)."""

    def __init__(self) -> None:
        self.watched: dict[int, Watched] = {}
        self._epoll = select.epoll()
        self.poll: t.Callable[[float | None], list[tuple[int, int]]] = self._epoll.poll

    def watch(self, sock: Connection, before: int, events: int, watched: Watched) -> None:
        """Wait for other events than before."""
        number = sock.fileno()
        if not events:
            self._epoll.unregister(number)
            del self.watched[number]
        elif before:
            self._epoll.modify(number, events)
        else:
            self._epoll.register(number, events)
            self.watched[number] = watched

    def close(self) -> None:
        """Forget everything."""
        self._epoll.close()
        self.watched.clear()


class SelectorPoller:
    """:class:`Poller` with kqueue, poll, or gevent's selector, which lets greenlets run."""

    def __init__(self) -> None:
        self.watched: dict[int, Watched] = {}
        self._selector = selectors.DefaultSelector()

    def watch(self, sock: Connection, before: int, events: int, watched: Watched) -> None:
        """Wait for other events than before."""
        number = sock.fileno()
        wanted = (selectors.EVENT_READ if events & READ else 0) | (
            selectors.EVENT_WRITE if events & WRITE else 0
        )
        if not wanted:
            self._selector.unregister(number)
            del self.watched[number]
        elif before:
            self._selector.modify(number, wanted)
        else:
            self._selector.register(number, wanted)
            self.watched[number] = watched

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """Return numbers of sockets and what happened on them."""
        return [
            (
                key.fd,
                (READ if events & selectors.EVENT_READ else 0)
                | (WRITE if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in self._selector.select(timeout)
        ]

    def close(self) -> None:
        """Forget everything."""
        self._selector.close()
        self.watched.clear()


def make_poller() -> Poller:
    """Return the best poller that this process may use.

    gevent takes ``select.epoll`` away where it has patched, as that would stop its hub.
    """
    return EpollPoller() if hasattr(select, "epoll") else SelectorPoller()
