"""Open a tunnel as the page does without WebSockets, and see what passes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
import typing as t

from ..sansio import exchanges, records, routing
from .observations import Answer, Tunnelled

if t.TYPE_CHECKING:
    from .address import Address
    from .client import Client, Exchange

#: Why the tunnel is there: ``fluxsync status`` and Streamlit see it.
_REASON = "doctor"
#: How long, in seconds, the beginning of a response may take if nobody collects it.
_FIRST_PIECE = 4.0
#: A stream has said something twice by then. nginx lets the first piece of a response through
#: that it collects, together with the head.
_SECOND_PIECE = exchanges.KEEPALIVE + 2
#: How long a stream is to be there.
_STREAM = 45
#: So many polls may be answered at once because there's something to say.
_MOST_POLLS = 5


class Watch:
    """Two tunnels: one with a stream, which takes its time, and one for a poll meanwhile.

    :param mount: Where the application is; its path ends with a slash.
    :param round_trip: Seconds that a request takes here.
    """

    def __init__(self, client: Client, mount: Address, round_trip: float) -> None:
        self._client = client
        self._mount = mount
        self._patience = max(_FIRST_PIECE, 4 * round_trip)
        self._stack = contextlib.ExitStack()
        self._stream: Exchange | None = None
        self._length = 0
        self._start = 0.0
        self._line: _Line | None = None
        self._seen = Tunnelled(Answer(mount))

    def __enter__(self) -> Watch:
        """Open a tunnel, and begin a stream, if the way is one for that."""
        line = self._line = _Line(self._client, self._mount)
        self._seen = seen = line.open()
        if not seen.is_open:
            return self
        self._stack.callback(line.post, "close")
        if not seen.hold:
            self._seen = seen.having(other=line.exchange(exchanges.SHORT_POLL, 0))
            return self
        self._start = time.monotonic()
        stream = self._stack.enter_context(line.begin(exchanges.STREAM, _STREAM))
        streams = stream.wait_for_body(1, self._patience)
        self._length = len(stream.body)
        self._seen = seen.having(streams=streams, other=line.exchange(exchanges.STREAM, 0))
        if self._seen.passes_two:
            self._stream = stream
        else:  # nothing else would pass now
            self._stack.close()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def finish(self) -> Tunnelled:
        """Return what was seen."""
        patience = self._client.options.patience
        if self._stream is None:
            return self._seen
        line = _Line(self._client, self._mount)
        if line.open().is_open:
            self._stack.callback(line.post, "close")
            wait = min(self._seen.wait, math.ceil(patience))
            self._seen = self._seen.having(wait=wait, poll=_poll(line, math.ceil(wait)))
        if self._seen.streams and patience:
            left = _SECOND_PIECE - (time.monotonic() - self._start)
            # It may have come long ago, and is still to be read.
            again = self._stream.wait_for_body(self._length + 1, max(1.0, left))
            # One that was cut was cut for another reason.
            self._seen = self._seen.having(streams=again or self._stream.is_over)
        return self._seen


def _poll(line: _Line, wait: int) -> Answer:
    """Return the answer to a poll that has to wait."""
    for _ in range(_MOST_POLLS):
        poll = line.exchange(exchanges.LONG_POLL, wait)
        if poll.status != 200 or poll.seconds > wait / 2 or not line.note(poll.content):
            break
    return poll


class _Line:
    """A tunnel's requests."""

    def __init__(self, client: Client, mount: Address) -> None:
        self._client = client
        self._base = mount.under(routing.TUNNEL_PREFIX[1:])
        self._received = 0
        self._id = exchanges.NEW

    def open(self) -> Tunnelled:
        """Open it, and return what the gateway says."""
        opening = {"protocols": ["streamlit"], "transport": exchanges.STREAM, "reason": _REASON}
        seen = Tunnelled(self.post("open", json.dumps(opening).encode()))
        if not seen.is_open:
            return seen
        try:
            said = json.loads(seen.opened.content)
            line_id, hold, wait = str(said["id"]), bool(said["hold"]), float(said["wait"])
        except (ValueError, KeyError, TypeError):
            line_id = ""
        if not exchanges.is_id(line_id):
            opened = dataclasses.replace(seen.opened, status=0, detail="it isn't a tunnel's")
            return seen.having(opened=opened)
        self._id = line_id
        return seen.having(hold=hold, wait=wait)

    def post(self, verb: str, body: bytes = b"") -> Answer:
        """Send a request that is answered at once."""
        return self._client.request("POST", self._base.under(verb), self._fields(), body)

    def exchange(self, mode: str, wait: int) -> Answer:
        """Return the answer to an exchange."""
        with self.begin(mode, wait) as exchange:
            return exchange.finish(wait + self._client.options.timeout)

    def begin(self, mode: str, wait: int) -> Exchange:
        """Send an exchange."""
        limit = exchanges.PIECE if wait else 0
        query = f"sent=0&received={self._received}&wait={wait}&limit={limit}&mode={mode}"
        return self._client.begin("POST", self._base.under(f"exchange?{query}"), self._fields())

    def note(self, body: bytes) -> bool:
        """Take as received what an answer says has been sent; return whether that's more."""
        before = self._received
        if len(body) > 4 and body[0] == records.STATE:
            words = body[4 : 4 + int.from_bytes(body[1:4], "big")].split()
            if len(words) > 2 and words[2].isdigit():
                self._received = int(words[2])
        return self._received > before

    def _fields(self) -> list[tuple[str, str]]:
        return [
            ("Origin", self._base.origin),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Content-Type", "application/octet-stream"),
            (exchanges.FIELD, self._id),
        ]
