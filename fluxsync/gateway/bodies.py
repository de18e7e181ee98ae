"""The API's request bodies: what is too large, or doesn't come, whatever kind of application it is."""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import RequestEntityTooLarge

from ..bridges.sockets import bytes_at_hand
from ..sansio.framing import request_framing
from ..telemetry.wrapping import WrappingBody, close_body
from .calls import CALL
from .delivery import ApiFile, gunicorn_socket
from .errors import Failure
from .reading import BodyLost, ClientInput, broken_off, make_pace
from .unread import has_body

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..config import FluxSyncSettings
    from ..typing import Headers, StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 64 * 1024


class Bodies:
    """Sees to the bodies of the API's requests."""

    def __init__(self, settings: FluxSyncSettings) -> None:
        self._settings = settings
        self._most = settings.api_max_request_body_bytes

    def call(
        self, api: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Have the API answer, unless the request's body is too large, or can't be read.

        :raise Failure: It is or can't, or nobody can say where it ends.
        """
        if not has_body(environ):
            return api(environ, start_response)
        # Pages' calls are of this application's own code.
        is_call = CALL in environ
        most = 0 if is_call else self._most
        try:
            framing = request_framing(
                environ.get("CONTENT_LENGTH") or "",
                environ.get("HTTP_TRANSFER_ENCODING", ""),
                input_terminated=bool(environ.get("wsgi.input_terminated")),
            )
        except ValueError as e:
            if most:
                raise Failure(400, str(e)) from e
            return api(environ, start_response)
        if most and (framing.length or 0) > most:
            raise too_large(most)
        if framing.length is not None and _is_at_hand(environ, framing.length):
            return api(environ, start_response)
        pace = None if is_call else make_pace(self._settings)
        checked = CheckedInput(ClientInput(environ, pace), framing.length, most)
        return _Watched(environ, checked).call(api, start_response)


def too_large(most: int) -> Failure:
    """Return the answer to a body over the limit."""
    limit = f"{most} bytes (api_max_request_body_bytes)"
    return Failure(413, f"the request's body is larger than {limit}")


def _is_at_hand(environ: WSGIEnvironment, length: int) -> bool:
    """Whether nothing can happen any more to a body of this length."""
    if not length:
        return True
    client = gunicorn_socket(environ) if hasattr(environ["wsgi.input"], "reader") else None
    return client is not None and bytes_at_hand(environ, client) >= length


class _Watched:
    """A request of whose body something is still to come.

    Applications make what they like of an error while they read. So they get one that Flask
    and its kind understand, and whatever they answer then, the client gets what is true.
    """

    def __init__(self, environ: WSGIEnvironment, checked: CheckedInput) -> None:
        self._input = checked
        self._environ = {**environ, "wsgi.input": checked}
        self._head: tuple[t.Any, ...] = ()
        self._first: list[bytes] = []
        self._is_begun = False

    def call(self, api: WSGIApplication, start_response: StartResponse) -> Iterable[bytes]:
        """Have the API answer, and look at how it begins.

        :raise Failure: The body is too large, or can't be read.
        """
        body: Iterable[bytes] = ()
        pieces: Iterator[bytes] = iter(())
        try:
            body = api(self._environ, t.cast("StartResponse", self._respond))
            is_file = isinstance(body, ApiFile) and not self._first
            if not is_file:  # no code of the application runs while it's sent
                pieces = iter(body)
                for piece in pieces:
                    self._first.append(piece)
                    if piece or self._input.is_over:
                        break
        except BaseException:
            close_body(body)
            if self._input.failure is not None:
                raise self._input.failure from None
            raise
        if self._input.failure is not None:
            close_body(body)
            raise self._input.failure
        if self._head:
            start_response(*self._head)
        self._is_begun = True
        return body if is_file else _Begun(self._first, pieces, body)

    def _respond(self, status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        if exc_info and self._is_begun:
            raise exc_info[1]  # PEP 3333: as the head has been sent
        self._head = (status, headers)
        return self._first.append  # PEP 3333, "The write() Callable"


class _Begun(WrappingBody):
    """A response's body whose beginning has been looked at."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        super().__init__(body)
        self._first = first
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        yield from self._rest


class CheckedInput:
    """A ``wsgi.input`` that ends where the body does, or with an error that says what's wrong.

    :param length: The body's bytes; ``None`` if it comes in chunks.
    :param most: Bytes that it may have at most; 0 is no limit.
    """

    def __init__(self, stream: ClientInput, length: int | None, most: int) -> None:
        self._stream = stream
        self.rfile = stream.rfile
        self._length = length
        self._most = most
        self._left: int | None = length if length is not None else most or None
        #: What is wrong with the body, once that's known.
        self.failure: Failure | None = None
        #: Whether all of it has been read.
        self.is_over = False

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or all.

        :raise RequestEntityTooLarge: There are more than allowed.
        :raise BodyLost: They don't come, or can't be read.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        return self._take(self._stream.read, size)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, or a part of one."""
        return self._take(self._stream.readline, -1 if size is None else size, is_line=True)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return lines, of so many bytes together or all."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _take(self, read: t.Callable[[int], bytes], size: int, *, is_line: bool = False) -> bytes:
        left = self._left
        if left is not None:
            # Of what has no length, one more shows that it's too large.
            most = left if self._length is not None else left + 1
            size = min(size, most) if size >= 0 else most
        try:
            data = read(size)
            if self._length is not None:
                # Applications that don't count would take less for all of it.
                while len(data) < size and not (is_line and data.endswith(b"\n")):
                    more = read(size - len(data))
                    if not more:
                        raise BodyLost(broken_off())
                    data += more
        except BodyLost as e:
            self.failure = e.failure
            raise
        if left is not None:
            self._left = max(-1, left - len(data))
            if self._left < 0:
                self.failure = too_large(self._most)
                raise RequestEntityTooLarge(self.failure.detail)
        self.is_over = not data if self._length is None else not self._left
        return data
