"""One HTTP request to an ASGI application, between a2wsgi and the application.

a2wsgi carries body and response between the server's thread and the event loop, a piece at a
time and each taken before the next is made, so that nothing piles up. What it leaves open is
done here: clients that go away, requests in chunks and cut-off ones, background tasks that
outlive the response, responses that break off.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import typing as t

from ..sansio import headers as _headers
from ..telemetry.redaction import redact_path

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from .lifespan import AsgiCallable, AsgiProcess, Message, Receive, Send

logger = logging.getLogger("fluxsync.api")

#: Seconds between two looks whether a client is still there for which the application waits.
_LOOK = 1.0


class Body:
    """A request's body as a2wsgi reads it; notes whether it was all there.

    :param stream: ``wsgi.input``.
    :param length: Bytes that must come; ``None`` is as many as there are.
    """

    def __init__(self, stream: t.Any, length: int | None) -> None:
        self._stream = stream
        self._left = length
        self.is_over = length == 0
        self.is_cut_off = False

    def read(self, size: int) -> bytes:
        """Return the next bytes; none at the end."""
        if self.is_over or self.is_cut_off:
            return b""
        try:
            data: bytes = self._stream.read(size if self._left is None else min(size, self._left))
        except Exception as e:  # noqa: BLE001 # each server has its own: OSError, ValueError, ...
            logger.debug("request body: %r", e)
            self.is_cut_off = True
            return b""
        if self._left is not None:
            self._left -= len(data)
            self.is_over = not self._left
            self.is_cut_off = not data and not self.is_over
        else:
            self.is_over = not data
        return data


class AsgiExchange:
    """Runs the application for one request; a2wsgi calls it as if it were the application.

    All methods but :meth:`abandon` run in the event loop's thread.

    :param scope: ASGI's description of the request.
    :param has_left: Returns whether the client is seen to have closed the connection.
    """

    def __init__(
        self,
        process: AsgiProcess,
        application: AsgiCallable,
        scope: dict[str, t.Any],
        body: Body,
        has_left: t.Callable[[], bool],
    ) -> None:
        self._process = process
        self._application = application
        self._scope = scope
        self._body = body
        self._has_left = has_left
        self._is_head = scope["method"] == "HEAD"
        self._gone = asyncio.Event()
        self._over = asyncio.Event()
        self._receiving: asyncio.Task[Message] | None = None
        self._is_started = False
        #: Bytes that the response's Content-Length still promises.
        self._missing = 0
        #: Whether the whole response has been given to the server.
        self.is_complete = False
        #: What has kept it from that.
        self.error: BaseException | None = None

    async def __call__(self, scope: t.Any, receive: Receive, send: Send) -> None:
        """Return when the response is over; background tasks may go on then."""
        del scope
        self._receive_piece, self._send_piece = receive, send
        task = asyncio.get_running_loop().create_task(self._run())
        self._process.keep(task)
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # a2wsgi doesn't tell the server's thread, which would wait for ever.
            self.error = RuntimeError("the API was ended before its response")
            task.cancel()
        finally:
            over.cancel()
        if self._gone.is_set() and not self.is_complete:
            # What servers get themselves when they write to such a client, and don't log. Without
            # it, the server's thread would wait for the rest of the response.
            self.error = ConnectionResetError(errno.ECONNRESET, "the client has gone")
        if self.error is not None:
            raise self.error

    def abandon(self) -> None:
        """Tell the application that the client has gone; any thread may call it."""
        if not self.is_complete and not self._process.loop.is_closed():
            self._process.loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._gone.set()
        self._over.set()

    async def _run(self) -> None:
        try:
            await self._application(self._scope, self._receive, self._send)
            if not self.is_complete and not self._gone.is_set():
                raise RuntimeError("the API returned without a complete response")
        except asyncio.CancelledError:
            self.error = RuntimeError("the API was ended before its response")
        except (Exception, SystemExit, KeyboardInterrupt) as e:
            # Not even the latter two: they would end the event loop for all others.
            if self._gone.is_set() and _says_so(e):
                logger.debug("after the client has gone: %r", e)
                return
            path = redact_path(self._scope["path"])
            logger.exception("exception in the API", extra={"path": path})
            if not self._is_started:
                await self._send_problem()
            elif not self.is_complete:
                self.error = e

    async def _send_problem(self) -> None:
        body = b'{"type":"about:blank","title":"Internal Server Error","status":500}'
        head = [(b"content-type", b"application/problem+json")]
        head.append((b"content-length", str(len(body)).encode()))
        try:
            await self._send({"type": "http.response.start", "status": 500, "headers": head})
            await self._send({"type": "http.response.body", "body": body})
        except OSError:
            pass  # the client has gone

    async def _receive(self) -> Message:
        if not self._body.is_over and not self._gone.is_set():
            message = await self._next_piece()
            if message is not None:
                return message
        elif self._receiving is None and self._body.is_over and not self._is_announced:
            self._is_announced = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._body.is_cut_off:
            self._leave()
        # Nobody says so until something is written; the application may never do that.
        while not self._gone.is_set() and not self.is_complete and not self._has_left():
            waiting = {asyncio.ensure_future(self._over.wait())}
            try:
                await asyncio.wait(waiting, timeout=_LOOK)
            finally:
                waiting.pop().cancel()
        if not self.is_complete:
            self._leave()
        return {"type": "http.disconnect"}

    #: Whether the application knows that the body is over.
    _is_announced = False

    async def _next_piece(self) -> Message | None:
        """Return the next part of the body, or ``None`` if it doesn't come."""
        # Who stops waiting for it, gets it with the next call: it's been read by then.
        if self._receiving is None:
            self._receiving = asyncio.get_running_loop().create_task(_wait(self._receive_piece))
        message = await self._unless_gone(self._receiving)
        self._receiving = None
        if message is None or self._body.is_cut_off:
            return None
        self._is_announced = self._body.is_over
        body = message.get("body", b"")
        return {"type": "http.request", "body": body, "more_body": not self._body.is_over}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if self._gone.is_set():
            raise OSError("the client has gone")
        if kind == "http.response.start":
            if self._is_started:
                raise RuntimeError("the response has begun already")
            self._is_started = True
            fields = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            kept = [f for f in fields if f[0].lower().decode("latin-1") not in _headers.HOP_BY_HOP]
            lengths = [value for name, value in kept if name.lower() == b"content-length"]
            if lengths and not self._is_head and message["status"] != 304:
                self._missing = int(lengths[0])
            await self._pass({**message, "headers": kept})
            if not lengths:
                # A stream: its reader is told at once that it has begun.
                await self._pass({"type": "http.response.body", "body": b"", "more_body": True})
        elif kind == "http.response.body":
            if not self._is_started or self.is_complete:
                raise RuntimeError("a part of a response before its beginning or after its end")
            more = bool(message.get("more_body", False))
            data = b"" if self._is_head else bytes(message.get("body", b""))
            self._missing -= len(data)
            is_short = self._missing > 0 and not more
            if data or not more:
                await self._pass({"type": kind, "body": data, "more_body": more or is_short})
            if is_short:
                # The connection must be closed, or the client takes the next response for the rest.
                raise RuntimeError("the response is shorter than its Content-Length")
            if not more:
                self.is_complete = True
                self._over.set()
        else:
            raise RuntimeError(f"unexpected ASGI message {kind!r}")

    async def _pass(self, message: Message) -> None:
        sending = asyncio.get_running_loop().create_task(_wait(self._send_piece, message))
        await self._unless_gone(sending)
        if self._gone.is_set():
            raise OSError("the client has gone")

    async def _unless_gone(self, task: asyncio.Task[t.Any]) -> t.Any:
        """Return a task's result, or ``None`` when the client goes away before."""
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if task.done():
            return task.result()
        task.cancel()
        return None


def _says_so(error: BaseException) -> bool:
    """Whether it's how an application notices that the client has gone, and not its defect."""
    return isinstance(error, OSError) or type(error).__name__ == "ClientDisconnect"  # Starlette's


async def _wait(call: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    return await call(*arguments)


class Response:
    """A response for the server: an iterable that ends with an error if it's not complete.

    :param pieces: a2wsgi's generator.
    """

    def __init__(self, pieces: t.Any, exchange: AsgiExchange) -> None:
        self._pieces = pieces
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        """Return what the application sends, as it sends it."""
        yield from self._pieces
        if not self._exchange.is_complete:
            # Not simply the end, which looks like that of a complete response.
            raise self._exchange.error or RuntimeError("the API's response broke off")

    def close(self) -> None:
        """Tell the application, if it isn't done."""
        self._exchange.abandon()
        self._pieces.close()
