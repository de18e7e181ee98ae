"""Answer the requests of one connection: a small HTTP/1.1 server around gunicorn's parser.

gunicorn is here whatever server runs the application, and so is its parser, with all that
it refuses.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import io
import logging
import os
import socket
import sys
import termios
import threading
import typing as t
from urllib.parse import unquote_to_bytes

from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData, ParseException
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import FileWrapper, Response

from ..telemetry.wrapping import close_body
from ..upstream.calls import UNHEARD

if t.TYPE_CHECKING:
    from ..typing import WSGIApplication, WSGIEnvironment

logger = logging.getLogger("fluxsync.gateway")

#: Seconds that a connection is kept without a request.
IDLE = 5.0
#: Who is on a Unix socket has no address, and gunicorn believes those that aren't tuples.
_NOBODY = ("", 0)
_REFUSED = "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n%s\r\n"


def make_config() -> Config:
    """Return what gunicorn's parser is to go by: nobody's word for anything."""
    config = Config()
    config.set("forwarded_allow_ips", "")
    # Pages ask for what has long lists in its query, and they are this user's own.
    config.set("limit_request_line", 0)
    return config


def leave(sock: socket.socket) -> None:
    """Have a socket open no more in this process, which is a fork of the one that serves it."""
    file = sock.fileno()
    if file >= 0:
        # The number stays taken, as the object would close it some day.
        nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(nothing, file, inheritable=False)
        os.close(nothing)


def _take_whole(environ: WSGIEnvironment) -> bool:
    """Read a body of which nothing more will come; whether it's whole.

    A head may arrive in the moment in which its connection stops to hear. An application would
    take what there is of the body for all of it.
    """
    try:
        body = environ["wsgi.input"].read()
    except (OSError, ParseException):
        return False
    environ["wsgi.input"] = io.BytesIO(body)
    return len(body) >= int(environ.get("CONTENT_LENGTH") or 0)


def _is_read(body: t.Any) -> bool:
    """Read what an application has left of a body; whether the next request can follow it.

    Else that would seem to be here already, and the connection wouldn't count as idle.
    """
    try:
        while body.read(65536):
            pass
    except (OSError, ParseException):
        return False
    return True


class Conversation:
    """Requests and answers on one connection, in the thread that calls :meth:`serve`.

    :param keeps: Whether the connection may be kept for another request; asked before each answer.
    """

    def __init__(
        self,
        sock: socket.socket,
        application: WSGIApplication,
        config: Config,
        keeps: t.Callable[[], bool],
    ) -> None:
        self._sock = sock
        self._application = application
        self._config = config
        self._keeps = keeps
        self._lock = threading.Lock()
        self._is_over = False
        self._is_deaf = False
        self._waits = False

    def serve(self) -> None:
        """Answer until the client goes away, is silent for too long, or is asked to."""
        parser = RequestParser(self._config, self._sock, _NOBODY)
        try:
            again = False
            while self._is_asked(again=again):
                again = self._answer(next(parser))
                if not again:
                    break
        except (NoMoreData, StopIteration, ConnectionError):
            pass  # the client has gone
        except ParseException as e:
            logger.warning("call of a page refused: %s", e)
            self._refuse("400 Bad Request")
        except Exception:
            # A thread's top: the rest of the process has nothing to do with it.
            logger.exception("call of a page failed")
        finally:
            # Whatever process may have forked meanwhile and have a copy.
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Have it end once the client has its answer; any thread may call this."""
        with self._lock:
            self._is_over = True
            if self._waits:
                self._hear_no_more()

    def leave(self) -> None:
        """Have it open no more in this process, which another one has forked."""
        leave(self._sock)

    def _hear_no_more(self) -> None:
        # With Linux, what the client has sent until now is still read and answered, and what
        # it sends later fails at once: it's never in doubt whether a request was received.
        with contextlib.suppress(OSError):
            waiting = array.array("i", [0])
            fcntl.ioctl(self._sock, termios.FIONREAD, waiting)
            # Of a request that has begun to come, the rest is to come, too.
            if not waiting[0]:
                self._is_deaf = True
                self._sock.shutdown(socket.SHUT_RD)

    def _is_asked(self, *, again: bool) -> bool:
        """Wait for a request; whether there is one."""
        with self._lock:
            # Who has only just connected is about to send the first one.
            self._waits = again
            if again and self._is_over:
                self._hear_no_more()
        # Peeking, and not a selector, which gevent may not know.
        self._sock.settimeout(IDLE)
        try:
            asked = self._peek()
        except TimeoutError:
            self._hear_no_more()
            asked = self._peek()
        except OSError as e:
            # So gevent wakes who waits for a socket that another greenlet shuts down.
            if not self._is_over or e.errno != errno.EBADF:
                raise
            asked = self._peek()
        with self._lock:
            self._waits = False
        self._sock.settimeout(None)
        return asked

    def _peek(self) -> bool:
        return bool(self._sock.recv(1, socket.MSG_PEEK))

    def _answer(self, request: t.Any) -> bool:
        """Answer one request; whether there may be another."""
        response = Response(request, self._sock, self._config)
        if self._is_over or not self._keeps():
            response.force_close()
        try:
            environ = self._environ(request)
            if self._is_deaf and not _take_whole(environ):
                self._refuse("503 Service Unavailable", f"{UNHEARD}: 1\r\n")
                return False
            body = self._application(environ, response.start_response)
            try:
                for piece in body:
                    response.write(piece)
                response.close()
            finally:
                close_body(body)
        except ConnectionError:
            return False
        except Exception:
            logger.exception("error while a call of a page was answered")
            # Of an answer that has begun, the client must not believe that it's whole.
            if not response.headers_sent:
                self._refuse("500 Internal Server Error")
            return False
        # Also before the connection ends: who is sending still would be cut off, and not read on.
        is_read = _is_read(request.body)
        return is_read and not response.should_close()

    def _environ(self, request: t.Any) -> WSGIEnvironment:
        environ: WSGIEnvironment = {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": request.body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileWrapper,
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.uri,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
            "QUERY_STRING": request.query or "",
            "SERVER_PROTOCOL": "HTTP/{}.{}".format(*request.version),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "",
        }
        for name, value in request.headers:
            key = name.replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return environ

    def _refuse(self, status: str, fields: str = "") -> None:
        with contextlib.suppress(OSError):
            self._sock.sendall((_REFUSED % (status, fields)).encode())
