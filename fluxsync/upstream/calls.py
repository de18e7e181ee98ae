"""How pages reach the API without the public listener: private sockets of the gateway workers.

Each worker process listens on a Unix socket of its own in one directory, and any of them will
do. requests sees to the rest.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import socket
import time
import typing as t

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

#: Set for Streamlit's processes: the directory with the sockets, or nothing.
CALLS_VARIABLE = "_FLUXSYNC_CALLS"
#: What stands for the workers in URLs, and in the ``Host`` field, where no URL is known.
CALLS_URL = "http://localhost"
#: In the answer to a request whose body hasn't arrived, and that no application has seen.
UNHEARD = "X-Fluxsync-Unheard"
#: Most seconds to wait while no worker listens: one may be about to take another's place.
_PATIENCE = 30.0
_RETRY = 0.05
#: Idle connections that are kept.
_KEPT = 32


def connect(directory: str, timeout: float | None) -> socket.socket:
    """Return a connection to any of the workers.

    :param timeout: Most seconds to wait for one; ``None`` is no reason to wait for ever.
    :raise OSError: There is none.
    """
    limit = _PATIENCE if timeout is None else min(timeout, _PATIENCE)
    deadline = time.monotonic() + limit
    while True:
        sock = _any_of(directory)
        if sock is not None:
            return sock
        if time.monotonic() > deadline:
            raise ConnectionRefusedError(f"no gateway worker listens in {directory}")
        time.sleep(_RETRY)


def _any_of(directory: str) -> socket.socket | None:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return None  # the first worker is about to make it
    random.shuffle(names)
    for name in names:
        path = os.path.join(directory, name)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Nobody waits here: a queue that is full fails at once, and another worker is asked.
        sock.setblocking(False)
        try:
            sock.connect(path)
        except ConnectionRefusedError:
            # Its worker was killed. Workers listen before their socket has a name here, and no
            # name is used twice, so this can't be one that lives.
            with contextlib.suppress(OSError):
                os.unlink(path)
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            sock.close()
            raise
        else:
            return sock
        sock.close()
    return None


class CallAdapter(HTTPAdapter):
    """Sends requests to the workers that listen in a directory.

    :param directory: Value of :data:`CALLS_VARIABLE`.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        super().__init__(pool_maxsize=_KEPT)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Make the pools, whose connections are ours."""
        super().init_poolmanager(*args, **kwargs)
        pool: t.Any = functools.partial(_CallPool, directory=self._directory)
        self.poolmanager.pool_classes_by_scheme = {"http": pool}


class _CallConnection(HTTPConnection):
    def __init__(self, *args: t.Any, directory: str, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._directory = directory
        self._has_sent = False

    def putrequest(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Begin a request."""
        self._has_sent = False
        super().putrequest(*args, **kwargs)

    def send(self, data: t.Any) -> None:
        """Send the head, or a part of the body.

        A worker that ends, or has waited for too long, hears no more. Nothing of a request
        whose head can't be sent has been received then, and any method may go to another one.
        """
        try:
            super().send(data)
        except BrokenPipeError:
            if self._has_sent or self.sock is None:
                raise
            self.sock.close()
            self.sock = self._new_conn()
            super().send(data)
        self._has_sent = True

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout if isinstance(self.timeout, (int, float)) else None
        try:
            sock = connect(self._directory, timeout)
        except OSError as e:
            raise NewConnectionError(self, f"can't reach the API: {e}") from e
        sock.settimeout(timeout)
        return sock


class _CallPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _CallConnection
