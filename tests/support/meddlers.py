"""A front proxy that spoils what passes, as some hosts and corporate networks do."""

from __future__ import annotations

import contextlib
import enum
import itertools
import math
import re
import threading
import typing as t
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus

from tests.support import frames
from tests.support.http import Headers, Message, Response, Stream, parse_head
from tests.support.proxies import Proxy, Upstream, forwarded, read_body, returned, to_bytes
from tests.support.upstream import reset
from tests.support.waiting import Deadline

PAGE = b"<!doctype html><html><title>Proxy</title><p>This is not what you asked for."
PAGE_TYPE = ("Content-Type", "text/html")


class Upgrade(enum.Enum):
    """What becomes of a WebSocket's handshake, unless it is answered with a status."""

    PASS = "pass"
    #: The gateway gets a plain request.
    FORGET = "forget"
    #: The connection is reset, or closed, instead of an answer.
    RESET = "reset"
    CLOSE = "close"
    #: The gateway's 101 passes, the frames of both sides don't.
    SWALLOW = "swallow"
    #: The proxy answers 101 and asks nobody.
    PRETEND = "pretend"


@dataclass(frozen=True)
class Every:
    """Each n-th of the requests whose target matches."""

    nth: int
    pattern: str = "/__fluxsync/tunnel/"


class Asked(t.NamedTuple):
    """What a host knows when it changes the fields of a request or a response."""

    #: Ports of the proxy and of the gateway.
    front: int
    gateway: int
    #: Target of the request, as the client sent it.
    target: str


#: Returns the fields that go on instead of those that came.
Edit = t.Callable[[Headers, Asked], Headers]


def unchanged(fields: Headers, asked: Asked) -> Headers:
    return fields


@dataclass(frozen=True)
class Meddling:
    """What a proxy does; everything can be combined.

    :ivar upgrade: A status answers handshakes with that status and an HTML page.
    :ivar buffered: Responses are read to their end before their first byte is passed on.
    :ivar patience: Seconds after which a response is cut, or answered with 504 if buffered.
    :ivar hurried: Pattern of the targets that are meant by that.
    :ivar serial: One request at a time, over all connections; the others wait.
    :ivar kept: Whether the client's connections are kept for further requests. A browser
        repeats by itself what fails on a kept connection before the first byte of an answer.
    :ivar lost: The gateway answers, and the client gets a reset instead.
    :ivar twice: The gateway gets the request twice, and the client the second answer.
    :ivar cut: The response is cut after ``cut_at`` bytes of its body.
    :ivar strip: Prefix that is removed from targets; other targets are not found.
    :ivar first_byte: Seconds after which a response must have begun.
    :ivar idle: Seconds without a byte after which a response or a WebSocket is cut.
    :ivar largest: Bytes that a request's or a response's body may have; responses if buffered.
    :ivar ask: What becomes of the fields of a request, and of a response.
    """

    upgrade: Upgrade | int = Upgrade.PASS
    buffered: bool = False
    patience: float = 3600.0
    hurried: str = ""
    serial: bool = False
    kept: bool = True
    lost: Every | None = None
    twice: Every | None = None
    cut: Every | None = None
    cut_at: int = 0
    strip: str = ""
    first_byte: float = 3600.0
    idle: float = 3600.0
    largest: float = math.inf
    ask: Edit = unchanged
    answer: Edit = unchanged


class Meddler(Proxy):
    """The proxy, before one gateway or several.

    :param ports: The gateways', which get the requests in turn.
    """

    def __init__(self, *ports: int, does: Meddling) -> None:
        super().__init__()
        #: May be exchanged; requests that are under way go on as they began, or nearly so.
        self.does = does
        #: Method and target of every request so far.
        self.requests: list[str] = []
        #: How often what was done: ``upgrade``, ``lost``, ``twice``, ``cut``, ``late``, ``idle``.
        self.done: Counter[str] = Counter()
        self._ports = itertools.cycle(ports)
        self._turn = threading.Lock()
        self._matches: Counter[Every] = Counter()
        self._counting = threading.Lock()

    def exchange(self, client: Stream) -> bool:
        raw = client.read_until(b"\r\n\r\n")
        if raw is None:
            return False
        head = parse_head(raw)
        method, target, _ = head.start_line.split(" ")
        body = read_body(head, client)
        self.requests.append(f"{method} {target}")
        does = self.does
        is_upgrade = head.get("Upgrade").lower() == "websocket"
        passing = (Upgrade.PASS, Upgrade.FORGET, Upgrade.SWALLOW)
        if is_upgrade and does.upgrade not in passing:
            self._count("upgrade")
            return self._refuse(client, head)
        if does.strip and not target.startswith(f"{does.strip}/"):
            return self._answer(client, 404)
        if len(body) > does.largest:
            return self._answer(client, 413)
        asked = Asked(self.port, next(self._ports), target)
        fields = forwarded(head, body, upgrades=does.upgrade is not Upgrade.FORGET)
        fields = does.ask(fields, asked)
        request = to_bytes(method, target.removeprefix(does.strip), fields, body)
        with contextlib.ExitStack() as stack:
            with self._turn if does.serial else contextlib.nullcontext():
                upstream = self._ask(stack, client, request, asked)
                try:
                    response = upstream.read_head()
                    while 100 <= response.status < 200 and response.status != 101:
                        response = upstream.read_head()
                    upstream.idle = does.idle
                    if response.status != 101:
                        return self._pass_on(client, upstream, response, method, asked)
                except TimeoutError:
                    self._count("late")
                    return self._answer(client, 504) if does.buffered else cut(client)
                self.send(client, response.raw + b"\r\n\r\n")
            try:
                self.carry(client, upstream, does.idle, swallow=does.upgrade is Upgrade.SWALLOW)
            except TimeoutError:
                self._count("idle")
        return False

    def _ask(
        self, stack: contextlib.ExitStack, client: Stream, request: bytes, asked: Asked
    ) -> Upstream:
        """Send a request to a gateway, or twice to two, and return where the answer comes."""

        def send(port: int) -> Upstream:
            upstream = self.upstream(port, client, deadline, self.does.first_byte)
            self.send(connected := stack.enter_context(upstream), request)
            return connected

        is_hurried = re.search(self.does.hurried, asked.target)
        deadline = Deadline(self.does.patience if is_hurried else 3600.0)
        upstream = send(asked.gateway)
        if self._strikes(self.does.twice, asked.target):
            self._count("twice")
            # Nobody reads the first answer: a stream would have no end.
            upstream = send(next(self._ports))
        return upstream

    def _refuse(self, client: Stream, head: Message) -> bool:
        match self.does.upgrade:
            case int() as status:
                return self._answer(client, status)
            case Upgrade.RESET:
                return cut(client)
            case Upgrade.PRETEND:
                lines = [
                    "HTTP/1.1 101 Switching Protocols",
                    "Upgrade: websocket",
                    "Connection: Upgrade",
                    f"Sec-WebSocket-Accept: {frames.accept_key(head.get('Sec-WebSocket-Key'))}",
                    # A browser fails a handshake that takes none of the protocols it offered.
                    f"Sec-WebSocket-Protocol: {head.get('Sec-WebSocket-Protocol').split(',')[0]}",
                ]
                self.send(client, "\r\n".join([*lines, "", ""]).encode())
                while client.fill():
                    client.buffer = b""
        return False

    def _pass_on(
        self, client: Stream, upstream: Upstream, response: Response, method: str, asked: Asked
    ) -> bool:
        """Pass a response on; return whether the client's connection goes on."""
        body = upstream.iter_body(response, method)
        if self._strikes(self.does.lost, asked.target):
            # Some of it was there: the gateway has done its work. A stream has no end.
            next(body, None)
            self._count("lost")
            return cut(client)
        left = self.does.cut_at if self._strikes(self.does.cut, asked.target) else math.inf
        framing = ""
        if method != "HEAD" and response.status not in (204, 304):
            if self.does.buffered:
                whole = b"".join(body)
                if not response.complete or len(whole) > self.does.largest:
                    return self._answer(client, 502)
                body = iter([whole])
                framing = f"Content-Length: {len(whole)}"
            elif "Content-Length" not in response:
                framing = "Transfer-Encoding: chunked"
        chunked = framing.endswith("chunked")
        fields = self.does.answer(response.headers, asked)
        self.send(client, returned(response, fields, framing, kept=self.does.kept))
        for piece in body:
            passing = piece if len(piece) <= left else piece[: int(left)]
            if passing:
                size = b"%x\r\n%s\r\n"
                self.send(client, size % (len(passing), passing) if chunked else passing)
            left -= len(piece)
            if left < 0:
                self._count("cut")
                return cut(client)
        if not response.complete:
            return cut(client)
        if chunked:
            self.send(client, b"0\r\n\r\n")
        return self.does.kept

    def _answer(self, client: Stream, status: int) -> bool:
        response = Response(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", [PAGE_TYPE])
        framing = f"Content-Length: {len(PAGE)}"
        head = returned(response, response.headers, framing, kept=self.does.kept)
        self.send(client, head + PAGE)
        return self.does.kept

    def _strikes(self, every: Every | None, target: str) -> bool:
        if every is None or not re.search(every.pattern, target):
            return False
        with self._counting:
            self._matches[every] += 1
            return self._matches[every] % every.nth == 0

    def _count(self, what: str) -> None:
        with self._counting:
            self.done[what] += 1


def cut(client: Stream) -> bool:
    """Reset a client's connection; return that it doesn't go on."""
    reset(client.sock)
    return False
