"""Which way leads to the API from this process, and the connections that go it.

All clients of a process share its connections. Those of another process are never used: a
fork begins with none.
"""

from __future__ import annotations

import contextlib
import contextvars
import http.client
import os
import threading
import time
import typing as t
import weakref

import requests
from requests.adapters import HTTPAdapter

from .calls import CALLS_VARIABLE, UNHEARD, CallAdapter

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import BaseAdapter

#: Set for Streamlit's processes: where the API is.
API_BASE_VARIABLE = "FLUXSYNC_INTERNAL_API_BASE"
#: As FluxSync applications listen when nothing is said.
_DEFAULT = "http://127.0.0.1:8000/api"
#: Idle connections to one server.
_KEPT = 32
#: Most seconds to wait until a worker that has just started takes calls.
_PATIENCE = 10.0
_RETRY = 0.05
#: Methods that may be sent twice (RFC 9110 9.2.2).
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
#: The server closed the connection before it answered.
_LOST = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class Way(t.NamedTuple):
    """How to reach an API."""

    #: Its URL, without a slash at the end.
    base: str
    #: Directory with the workers' private sockets, where connections are made to one of them
    #: and not to the URL's host; or ``""``.
    directory: str = ""


class Offer:
    """An application that this process serves, for its own calls.

    :param base: Its URL.
    :param private: Whether its workers take calls on private sockets.
    """

    def __init__(self, base: str, *, private: bool) -> None:
        self._base = base
        self._private = private
        #: Where they take them; set once this process's own worker does.
        self.directory = ""
        _offers.add(self)

    def way(self) -> Way:
        """Return the way to it; a worker that has just started may need a moment.

        :raise requests.ConnectionError: It takes no calls.
        """
        deadline = time.monotonic() + _PATIENCE
        while self._private and not self.directory:
            if time.monotonic() > deadline:
                raise requests.ConnectionError("this process takes no calls of its own yet")
            time.sleep(_RETRY)
        return Way(self._base, self.directory)

    def withdraw(self) -> None:
        """Have nobody find it any more."""
        _offers.discard(self)


#: Of the applications that this process serves and nobody has dropped.
_offers: weakref.WeakSet[Offer] = weakref.WeakSet()


#: Ways of tests, the latest last, and what sends requests on them. All threads go them, as
#: pages run in another one than the test.
_tested: list[tuple[Way, BaseAdapter]] = []


@contextlib.contextmanager
def use_way(way: Way, adapter: BaseAdapter) -> Iterator[None]:
    """Have clients without a URL of their own go this way, which an adapter knows; for tests."""
    entry = way, adapter
    _tested.append(entry)
    try:
        yield
    finally:
        _tested.remove(entry)


#: The same for what is called from here, which comes first.
_tested_here: contextvars.ContextVar[tuple[Way, BaseAdapter] | None] = contextvars.ContextVar(
    "fluxsync_tested", default=None
)


@contextlib.contextmanager
def use_way_here(way: Way, adapter: BaseAdapter) -> Iterator[None]:
    """Have the code that's called from here go this way, and no other thread."""
    token = _tested_here.set((way, adapter))
    try:
        yield
    finally:
        _tested_here.reset(token)


def _of_tests() -> list[tuple[Way, BaseAdapter]]:
    """Return the ways of tests, the one that counts last."""
    here = _tested_here.get()
    return [*_tested, here] if here is not None else _tested


def find_way() -> Way:
    """Return the way to the API beside which this code runs.

    :raise requests.ConnectionError: It takes no calls, or several applications are served here,
        and it could be any of them.
    """
    if tested := _of_tests():
        return tested[-1][0]
    told = environment_way()
    if told is not None:
        return told
    offers = [*_offers]
    if len(offers) > 1:
        raise requests.ConnectionError(
            "this process serves several applications; call app.get_client() of one of them"
        )
    return offers[0].way() if offers else Way(_DEFAULT)


def environment_way() -> Way | None:
    """Return the way that Streamlit's processes, and their children, have been told; or a test's."""
    if tested := _of_tests():
        return tested[-1][0]
    base = os.environ.get(API_BASE_VARIABLE)
    return Way(base.rstrip("/"), os.environ.get(CALLS_VARIABLE, "")) if base else None


class _Connections:
    """Those of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._adapters: dict[str, HTTPAdapter] = {}
        self._users: weakref.WeakSet[t.Any] = weakref.WeakSet()

    def adapter(self, directory: str, user: object) -> HTTPAdapter:
        with self._lock:
            self._users.add(user)
            found = self._adapters.get(directory)
            if found is None:
                found = self._adapters[directory] = _make(directory)
            return found

    def leave(self, user: object) -> None:
        with self._lock:
            self._users.discard(user)
            idle = [] if self._users else [*self._adapters.values()]
        for adapter in idle:
            adapter.close()


#: By process id. A dictionary's setdefault() is atomic, so that there's no lock to be forked.
_connections: dict[int, _Connections] = {}
os.register_at_fork(after_in_child=_connections.clear)


def _mine() -> _Connections:
    pid = os.getpid()
    return _connections.get(pid) or _connections.setdefault(pid, _Connections())


def adapter_to(way: Way, user: object) -> BaseAdapter:
    """Return what sends requests on a way.

    :param user: While any is alive that hasn't left, idle connections are kept.
    """
    for tested, adapter in reversed(_of_tests()):
        if tested == way:
            return adapter
    return _mine().adapter(way.directory, user)


def leave(user: object) -> None:
    """Close idle connections, if nobody else in this process uses them."""
    _mine().leave(user)


def _make(directory: str) -> HTTPAdapter:
    return _CallSender(directory) if directory else _Sender(pool_maxsize=_KEPT)


class _Again(HTTPAdapter):
    def send(
        self, request: requests.PreparedRequest, *args: t.Any, **kwargs: t.Any
    ) -> requests.Response:
        """Send a request, and once more if it met the end of a connection and may be repeated."""
        try:
            return super().send(request, *args, **kwargs)
        except requests.ConnectionError as e:
            if not (is_repeatable(request) and is_lost(e)):
                raise
        return super().send(request, *args, **kwargs)


class _Sender(_Again):
    """Sends requests to the host that they name."""


class _CallSender(_Again, CallAdapter):
    """Sends requests to the workers in a directory."""

    def send(
        self, request: requests.PreparedRequest, *args: t.Any, **kwargs: t.Any
    ) -> requests.Response:
        """Send a request, and once more to another worker if one that ended hasn't heard it."""
        response = super().send(request, *args, **kwargs)
        if UNHEARD in response.headers and is_whole(request):
            response.close()
            response = super().send(request, *args, **kwargs)
        return response


def is_repeatable(request: requests.PreparedRequest) -> bool:
    """Whether a request may be sent again: the server won't mind, and the body is still there."""
    return request.method in _IDEMPOTENT and is_whole(request)


def is_whole(request: requests.PreparedRequest) -> bool:
    """Whether a request's body is still there after it was sent."""
    return isinstance(request.body, (bytes, str, type(None)))


def is_lost(error: BaseException) -> bool:
    """Whether the server has closed the connection without an answer."""
    # requests has the error of urllib3 as its argument, and that has the one of http.client.
    causes = [error, *error.args]
    causes += [cause for e in error.args if isinstance(e, Exception) for cause in e.args]
    return any(isinstance(cause, _LOST) for cause in causes)
