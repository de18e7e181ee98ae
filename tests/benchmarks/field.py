"""The contenders that run, each in front of what it's measured with."""

from __future__ import annotations

import contextlib
import functools
import time
import typing as t

from tests.benchmarks import contenders, peers
from tests.benchmarks.contenders import FLUXSYNC
from tests.benchmarks.load import LoadError
from tests.benchmarks.peers import Unavailable
from tests.benchmarks.program import Contender


class Field:
    """The contenders that run; each is started when it's first asked for.

    :param install: Whether the peers may be installed now.
    :ivar seconds: How long all these starts have taken.
    """

    def __init__(self, stack: contextlib.ExitStack, *, install: bool) -> None:
        self._stack = stack
        self._install = install
        self.seconds = 0.0
        self._running: dict[tuple[str, str], Contender | Unavailable | LoadError] = {}

    def upstream(self) -> str:
        """Return the URL of the cheap upstream."""
        return self.get("upstream").url

    def get(self, key: str) -> Contender:
        """Return a contender in front of the cheap upstream, started.

        :raise Unavailable: It can't take part.
        :raise LoadError: It doesn't start.
        """
        return self._start(key, "", functools.partial(self.make, key))

    def make(self, key: str) -> Contender:
        """Return another one like that, to be started by the caller.

        :raise Unavailable: It can't take part.
        """
        match key:
            case "upstream":
                return contenders.upstream_server()
            case "wsgi" | "flask" | "api":
                return contenders.plain(key)
            case "nginx":
                return contenders.nginx(self.upstream())
            case "fluxlit" | "frp":
                return contenders.peer(key, self.upstream(), self._python())
        return contenders.fluxsync(key, self.upstream())

    def page(self, key: str) -> Contender:
        """Return a contender that shows a page of a real Streamlit, started.

        :raise Unavailable: It can't take part.
        :raise LoadError: It doesn't start.
        """
        return self._start(key, "page", functools.partial(self.make_page, key))

    def pinned(self, key: str, transport: str) -> Contender:
        """Return fluxsync in front of a Streamlit that's the same for all transports, started.

        :raise Unavailable: It can't take part.
        :raise LoadError: It doesn't start.
        """
        behind = self.page("streamlit").url
        make = functools.partial(contenders.fluxsync, key, behind, transport=transport)
        return self._start(key, transport, make)

    def make_page(self, key: str) -> Contender:
        """Return another one like that, to be started by the caller."""
        if key == "streamlit":
            return contenders.streamlit()
        if key in FLUXSYNC:
            return contenders.fluxsync(key)
        behind = self.streamlit_of(key).url
        if key == "nginx":
            return contenders.nginx(behind)
        return contenders.peer(key, behind, self._python())

    def streamlit_of(self, key: str) -> Contender:
        """Return what answers behind a contender that shows a page; itself if it's alone.

        FluxLit's is the one of its own environment, with the options it gives it: it can't
        open a WebSocket to another.
        """
        if key in FLUXSYNC:
            return self.page(key)
        if key == "fluxlit":
            make = functools.partial(contenders.streamlit, self._python(), protected=False)
            return self._start("streamlit", "fluxlit", make)
        return self.page("streamlit")

    def _python(self) -> str:
        return peers.python(self._install)

    def _start(self, key: str, name: str, make: t.Callable[[], Contender]) -> Contender:
        found = self._running.get((key, name))
        if found is None:
            begin, before = time.monotonic(), self.seconds
            try:
                found = self._stack.enter_context(make())
            except (Unavailable, LoadError) as e:
                found = e
            self._running[key, name] = found
            # Not once more what another one that it stands in front of has taken.
            self.seconds = before + time.monotonic() - begin
        if not isinstance(found, Contender):
            raise found
        return found
