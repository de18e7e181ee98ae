"""Pages as the supervisor sees them: requests that were handed over to the relay's thread."""

from __future__ import annotations

import itertools
import threading
import time
import typing as t

from fluxsync.bridges.links import Session
from fluxsync.sansio.exchanges import PIECE, Ask, Opening
from fluxsync.tunnel.messages import Closing, Exchanging, Opened
from fluxsync.tunnel.registry import Claim
from fluxsync.tunnel.replies import Caller
from tests.support.http import Connection, Response, Stream
from tests.support.records import Records
from tests.support.relays import catch_up, tcp_pair, unix_pair, wait_for
from tests.support.tunnel import Answer

if t.TYPE_CHECKING:
    import socket

    from fluxsync.bridges.loop import Loop
    from fluxsync.bridges.relay import Relay
    from fluxsync.tunnel.messages import Verb
    from fluxsync.tunnel.registry import Tunnels

#: A browser's cookie.
BROWSER = "b" * 24


class Clock:
    """The clock of loops, which can be put forward.

    By itself, it goes on by moments only: what a busy machine does with this process doesn't
    count, as a test knows how much time there is between two things.
    """

    #: Seconds from one look at it to the next.
    MOMENT = 0.05

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = self._now = time.monotonic()
        self._ahead = 0.0

    def monotonic(self) -> float:
        with self._lock:
            before, self._seen = self._seen, time.monotonic()
            self._now += min(self._seen - before, self.MOMENT)
            return self._now + self._ahead

    def advance(self, seconds: float, loop: Loop) -> None:
        """Let time pass, and wait until the loop has done what is due."""
        wait_for(loop)  # what it was called for belongs to the time before
        self._ahead += seconds
        catch_up(loop)


class Call(Connection):
    """A request that was handed over, and the response that it gets."""

    def __init__(self, *, tcp: bool = False, takes_chunks: bool = True) -> None:
        browser, client = (tcp_pair if tcp else unix_pair)()
        Stream.__init__(self, browser)
        #: What was said of its end; there must be one end only.
        self.outcomes: list[tuple[int, int, str]] = []
        self.caller = Caller(client, "some-id", takes_chunks, self._over)
        self.records = Records()
        self._chunks: t.Iterator[bytes | None] | None = None

    def _over(self, status: int, size: int, error: str) -> None:
        self.outcomes.append((status, size, error))

    def answer(self) -> Answer:
        """Return the response to an exchange, once it's complete."""
        return Answer(self.read_response())

    def stream(self) -> bool:
        """Take more of a streamed response; return whether there was more."""
        if self._chunks is None:
            assert self.read_head().status == 200
            self._chunks = self.chunks()
        piece = next(self._chunks, b"")
        assert piece is not None, "the response broke off"
        self.records.feed(piece)
        return bool(piece)

    def stream_data(self, size: int) -> bytes:
        """Take a streamed response until it has brought so many bytes of Streamlit's."""
        while len(self.records.data) < size:
            assert self.stream(), "the response is over"
        return self.records.data


class Pages:
    """Hands the requests of pages over, as gateway workers do."""

    def __init__(self, relay: Relay, tunnels: Tunnels) -> None:
        self.relay = relay
        self.tunnels = tunnels
        self._numbers = itertools.count()
        self._open: list[socket.socket] = []

    def call(
        self,
        verb: Verb,
        data: bytes = b"",
        files: t.Iterable[socket.socket] = (),
        *,
        tcp: bool = False,
        takes_chunks: bool = True,
    ) -> Call:
        """Hand a request over."""
        call = Call(tcp=tcp, takes_chunks=takes_chunks)
        self._open.append(call.sock)
        sockets = list(files)
        self.relay.loop.call(lambda: verb.serve(self.tunnels, call.caller, data, sockets))
        return call

    def page(self, browser: str = BROWSER) -> Page:
        """Return a page that hasn't opened its tunnel yet."""
        return Page(self, Claim(f"tunnel-{next(self._numbers):020}", browser))

    def opened(self, **options: t.Any) -> Page:
        """Return a page with an open tunnel."""
        page = self.page()
        assert page.open(**options).status == 200
        return page

    def keep(self, sock: socket.socket) -> socket.socket:
        """Close a socket at the end, unless it's closed by then."""
        self._open.append(sock)
        return sock

    def close(self) -> None:
        for sock in self._open:
            sock.close()


class Page:
    """A page, and Streamlit at the other end of its tunnel."""

    def __init__(self, pages: Pages, claim: Claim) -> None:
        self._pages = pages
        self.claim = claim
        self.streamlit: Stream
        #: What Streamlit has of this page's stream, and what the page has of Streamlit's.
        self.sent = self.received = 0

    def open(
        self,
        early: bytes = b"",
        *,
        transport: str = "long-poll",
        reason: str = "websocket-refused",
        is_new: bool = False,
        address: str = "192.0.2.1",
        tcp: bool = False,
    ) -> Response:
        upstream, streamlit = (tcp_pair if tcp else unix_pair)()
        self.streamlit = Stream(self._pages.keep(streamlit))
        opening = Opening(("streamlit",), transport, reason)
        path, transport = "/_stcore/stream", "tunnel"
        session = Session("some-id", "r1", client=address, path=path, transport=transport)
        verb = Opened(self.claim, opening, session, is_new)
        return self._pages.call(verb, early, [upstream]).read_response()

    def ask(
        self,
        body: bytes = b"",
        *,
        sent: int | None = None,
        received: int | None = None,
        wait: float = 0.0,
        limit: int = PIECE,
        mode: str = "long-poll",
        claim: Claim | None = None,
        tcp: bool = False,
        takes_chunks: bool = True,
    ) -> Call:
        """Begin an exchange. What the test doesn't say is as a page would have it."""
        ask = Ask(
            self.sent if sent is None else sent,
            self.received if received is None else received,
            wait,
            limit,
            mode,
        )
        verb = Exchanging(claim or self.claim, ask)
        return self._pages.call(verb, body, tcp=tcp, takes_chunks=takes_chunks)

    def hold(self, mode: str = "long-poll", **how: t.Any) -> Call:
        """Begin an exchange that waits, and return when it does."""
        call = self.ask(wait=20.0, mode=mode, **how)
        catch_up(self._pages.relay.loop)
        return call

    def exchange(self, body: bytes = b"", **query: t.Any) -> Answer:
        """Make an exchange, and take what it brings."""
        answer = self.ask(body, **query).answer()
        if answer.status == 200:
            self.sent = max(self.sent, answer.state.received)
            self.received = max(self.received, answer.state.offset + len(answer.data))
        return answer

    def push(self, body: bytes, **query: t.Any) -> Answer:
        """Make an exchange that brings nothing."""
        return self.exchange(body, limit=0, **query)

    def leave(self) -> Response:
        """Say that the page is gone."""
        return self._pages.call(Closing(self.claim)).read_response()
