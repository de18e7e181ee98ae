"""The limit of the API's request bodies, whatever kind of application it is."""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import RequestEntityTooLarge

from ..sansio.framing import request_framing
from .errors import Failure

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..typing import Headers, StartResponse, WSGIApplication, WSGIEnvironment

_PIECE = 64 * 1024


class BodyLimit:
    """Refuses bodies that are larger than the API's may be.

    :param most: Bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    def call(
        self, api: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Have the API answer, unless the request's body is too large.

        :raise Failure: It is, or nobody can say where it ends.
        """
        try:
            framing = request_framing(
                environ.get("CONTENT_LENGTH") or "",
                environ.get("HTTP_TRANSFER_ENCODING", ""),
                input_terminated=bool(environ.get("wsgi.input_terminated")),
            )
        except ValueError as e:
            raise Failure(400, str(e)) from e
        if (framing.length or 0) > self._most:
            raise too_large(self._most)
        if not framing.chunked:
            return api(environ, start_response)  # servers give out no more than the length
        return _Watched(environ, self._most).call(api, start_response)


def too_large(most: int) -> Failure:
    """Return the answer to a body over the limit."""
    limit = f"{most} bytes (api_max_request_body_bytes)"
    return Failure(413, f"the request's body is larger than {limit}")


class _Watched:
    """A request whose body's length shows only as it's read.

    Applications make what they like of an error while they read. So they get one that Flask
    and its kind understand, and whatever they answer then, the client gets 413.
    """

    def __init__(self, environ: WSGIEnvironment, most: int) -> None:
        self._most = most
        self._input = LimitedInput(environ["wsgi.input"], most)
        self._environ = {**environ, "wsgi.input": self._input}
        self._head: tuple[t.Any, ...] = ()
        self._first: list[bytes] = []
        self._is_begun = False

    def call(self, api: WSGIApplication, start_response: StartResponse) -> Iterable[bytes]:
        """Have the API answer, and look at how it begins.

        :raise Failure: The body is too large.
        """
        body: Iterable[bytes] = ()
        try:
            body = api(self._environ, t.cast("StartResponse", self._respond))
            pieces = iter(body)
            for piece in pieces:
                self._first.append(piece)
                if piece:
                    break
        except BaseException:
            _close(body)
            if self._input.is_exceeded:
                raise too_large(self._most) from None
            raise
        if self._input.is_exceeded:
            _close(body)
            raise too_large(self._most)
        if self._head:
            start_response(*self._head)
        self._is_begun = True
        return _Begun(self._first, pieces, body)

    def _respond(self, status: str, headers: Headers, exc_info: t.Any = None) -> t.Any:
        if exc_info and self._is_begun:
            raise exc_info[1]  # PEP 3333: as the head has been sent
        self._head = (status, headers)
        return self._first.append  # PEP 3333, "The write() Callable"


class _Begun:
    """A response's body whose beginning has been looked at."""

    def __init__(self, first: list[bytes], rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        yield from self._rest

    def close(self) -> None:
        """Close the body."""
        _close(self._body)


class LimitedInput:
    """A ``wsgi.input`` that breaks off behind so many bytes."""

    def __init__(self, stream: t.Any, most: int) -> None:
        self._stream = stream
        self._most = self._left = most
        #: Whether there was more.
        self.is_exceeded = False

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or all.

        :raise RequestEntityTooLarge: There are more than allowed.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        return self._counted(self._stream.read(min(size, self._left + 1)))

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line, or a part of one."""
        most = self._left + 1
        return self._counted(
            self._stream.readline(most if size is None or size < 0 else min(size, most))
        )

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return lines, of so many bytes together or all."""
        lines: list[bytes] = []
        for line in self:
            lines.append(line)
            if hint is not None and 0 < hint <= sum(map(len, lines)):
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            self.is_exceeded, self._left = True, -1
            raise RequestEntityTooLarge(too_large(self._most).detail)
        return data


def _close(body: t.Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
