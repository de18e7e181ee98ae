"""Requests to the site, as a browser sends them; none of them raises or takes for ever."""

from __future__ import annotations

import dataclasses
import secrets
import time
import typing as t

from .. import __version__
from ..sansio import http1
from .connection import Connection, Deadline, Failed, Security
from .observations import LIMIT, Answer, Trouble

if t.TYPE_CHECKING:
    from ..sansio.bodies import Body
    from ..typing import Headers
    from .address import Address

#: Bytes of a body that are sent at a time, between looks for an early answer.
_PIECE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Options:
    """How to look at a site.

    :ivar timeout: Seconds for each request, from the connection to the answer's end.
    :ivar patience: Seconds that connections are left alone to see whether they're cut.
    :ivar headers: More fields for each request.
    :ivar upload: Size in bytes of the largest upload.
    :ivar is_near: Whether it's the server's own address, from its own machine.
    """

    timeout: float = 10.0
    patience: float = 5.0
    headers: tuple[tuple[str, str], ...] = ()
    upload: int = 25 * 1024 * 1024
    is_near: bool = False
    security: Security = dataclasses.field(default_factory=Security)


class Client:
    """Sends requests, each on a connection of its own, and keeps cookies."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.tls = options.security.context()
        self._cookies: dict[str, str] = {}

    def request(
        self,
        method: str,
        address: Address,
        headers: Headers | None = None,
        body: bytes = b"",
        timeout: float = 0.0,
    ) -> Answer:
        """Return the answer to a request.

        :param timeout: Seconds; 0 is what the options say.
        """
        with self.begin(method, address, headers or [], body, timeout) as exchange:
            return exchange.finish(self.options.timeout)

    def get(self, address: Address, headers: Headers | None = None) -> Answer:
        """Return the answer to GET."""
        return self.request("GET", address, headers)

    def begin(
        self,
        method: str,
        address: Address,
        headers: Headers,
        body: bytes = b"",
        timeout: float = 0.0,
    ) -> Exchange:
        """Send a request; its answer is what the exchange waits for.

        :param timeout: Seconds in which it must be sent; 0 is what the options say.
        """
        request_id = f"doctor-{secrets.token_hex(8)}"
        fields = self.fields(address, headers, request_id)
        if body or method not in ("GET", "HEAD"):
            fields.append(("Content-Length", str(len(body))))
        fields.append(("Connection", "close"))
        head = http1.request_head(method, address.target, fields)
        deadline = Deadline(timeout or self.options.timeout)
        exchange = Exchange(self, method, address, request_id)
        exchange.send(head, body, deadline)
        return exchange

    def fields(self, address: Address, headers: Headers, request_id: str) -> Headers:
        """Return a request's fields, without those that say how it's framed."""
        given = self.options.headers
        cookies = [f"{name}={value}" for name, value in self._cookies.items()]
        cookies += [value for name, value in given if name.lower() == "cookie"]
        own = [
            ("Host", address.authority),
            ("User-Agent", f"fluxsync-doctor/{__version__}"),
            ("X-Request-Id", request_id),
            ("Authorization", address.authorization),
            *headers,
        ]
        names = {name.lower() for name, _ in given}
        fields = [(name, value) for name, value in own if value and name.lower() not in names]
        fields += [(name, value) for name, value in given if name.lower() != "cookie"]
        if cookies:
            fields.append(("Cookie", "; ".join(cookies)))
        return fields

    def keep_cookies(self, answer: Answer) -> None:
        """Keep what an answer sets, as a browser does."""
        for pair, _ in answer.cookies:
            name, _, value = pair.partition("=")
            self._cookies[name] = value

    def cookie(self, name: str) -> str:
        """Return a cookie's value, or ``""``."""
        return self._cookies.get(name, "")


class Exchange:
    """A request, and what has come of its answer."""

    def __init__(self, client: Client, method: str, address: Address, request_id: str) -> None:
        self._client = client
        self._method = method
        self._answer = Answer(address, request_id=request_id)
        self._start = time.monotonic()
        self._connection: Connection | None = None
        self._reader = http1.HeadReader()
        self._body: Body | None = None
        self._data = b""
        self._is_over = False

    def send(self, head: bytes, body: bytes, deadline: Deadline) -> None:
        """Send the request on a connection of its own."""
        try:
            self._connection = Connection(self._answer.address, self._client.tls, deadline)
            self._send(head, body, deadline)
        except Failed as e:
            self._fail(e.trouble, e.detail)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._connection is not None:
            self._connection.__exit__()

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of the answer."""
        return self._is_over

    @property
    def body(self) -> bytes:
        """What has come of the answer's body."""
        return self._data

    def wait_for_body(self, length: int, seconds: float) -> bool:
        """Return whether so many bytes of the body come in time."""
        self._read(Deadline(seconds), lambda: len(self._data) >= length)
        return len(self._data) >= length

    def finish(self, seconds: float) -> Answer:
        """Return the answer when all of it is there, or when there'll be no more."""
        self._read(Deadline(seconds), lambda: False)
        if not self._is_over:
            self._fail(Trouble.TIMEOUT, "")
        self._client.keep_cookies(self._answer)
        return dataclasses.replace(self._answer, body=self._data)

    def _send(self, head: bytes, body: bytes, deadline: Deadline) -> None:
        assert self._connection is not None
        self._connection.send(head, deadline)
        for at in range(0, len(body), _PIECE):
            try:
                early = self._connection.receive_now()
                if early is None:
                    self._connection.send(body[at : at + _PIECE], deadline)
            except Failed as e:
                if e.trouble is Trouble.TIMEOUT:
                    raise
                return  # the answer may be there all the same
            if early is not None:
                self._take(early)
                return

    def _read(self, deadline: Deadline, is_enough: t.Callable[[], bool]) -> None:
        while not self._is_over and not is_enough() and deadline.left:
            assert self._connection is not None
            try:
                self._take(self._connection.receive(deadline))
            except Failed as e:
                if e.trouble is not Trouble.TIMEOUT:
                    self._fail(e.trouble, e.detail)

    def _take(self, data: bytes) -> None:
        is_head = self._body is None
        try:
            if is_head:
                data = self._take_head(data)
        except ValueError as e:
            self._fail(Trouble.NOT_HTTP, str(e))
            return
        if self._body is None:
            return
        if data:
            self._data = (self._data + self._body.feed(data))[:LIMIT]
        elif not is_head:
            self._body.end()
        if self._body.error:
            self._fail(Trouble.BROKEN, f"it ends {self._body.error}")
        elif self._body.complete or len(self._data) == LIMIT:
            self._end()

    def _take_head(self, data: bytes) -> bytes:
        if not data:
            self._fail(Trouble.BROKEN, "the connection ended without an answer")
            return b""
        head = self._reader.feed(data)
        if head is None:
            return b""
        self._answer = dataclasses.replace(self._answer, status=head.status, fields=head.fields)
        self._body = http1.response_body(head, self._method)
        return self._reader.rest

    def _end(self) -> None:
        self._is_over = True
        seconds = time.monotonic() - self._start
        self._answer = dataclasses.replace(self._answer, seconds=seconds)

    def _fail(self, trouble: Trouble, detail: str) -> None:
        self._answer = dataclasses.replace(self._answer, trouble=trouble, detail=detail)
        self._end()
