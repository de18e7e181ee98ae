"""One event loop per process for an ASGI application, and its start and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
import typing as t

from ..telemetry.redaction import redact_text

if t.TYPE_CHECKING:
    from collections.abc import Coroutine, MutableMapping

    Message = MutableMapping[str, t.Any]
    Receive = t.Callable[[], Coroutine[t.Any, t.Any, Message]]
    Send = t.Callable[[Message], Coroutine[t.Any, t.Any, None]]
    AsgiCallable = t.Callable[[MutableMapping[str, t.Any], Receive, Send], t.Any]

logger = logging.getLogger("fluxsync.api")

#: Versions of the protocol and of its HTTP part. Up to 2.3, applications listen for the client's
#: end while they stream; later, they only find out when they send something.
ASGI = {"version": "3.0", "spec_version": "2.3"}


class AsgiProcess:
    """An application's event loop, in a thread of its own, and its lifespan.

    Made in the process that serves: a thread doesn't survive a fork.

    :param application: Its startup begins at once, and nobody waits for it here.
    """

    def __init__(self, application: AsgiCallable) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        #: What the application has put there during startup (ASGI lifespan state).
        self.state: dict[str, t.Any] = {}
        #: What still runs, requests' background tasks among it.
        self.tasks: set[asyncio.Task[t.Any]] = set()
        #: Why startup failed, if it did, and when.
        self.failure = ""
        self.failed_at = 0.0
        self._application = application
        self._started = threading.Event()
        self._has_lifespan = False
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None
        self._is_down = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fluxsync-asgi", daemon=True)
        self._thread.start()

    def wait_started(self, timeout: float) -> bool:
        """Return whether startup is over, after so many seconds at most."""
        return self._started.wait(timeout)

    def keep(self, task: asyncio.Task[t.Any]) -> None:
        """Have a task live until it ends, or the process does."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def end(self, grace: float) -> None:
        """Let requests and background tasks end, then the application, then the loop.

        :param grace: Seconds for all of it.
        """
        deadline = time.monotonic() + grace
        if self.pid == os.getpid() and self._thread.is_alive():
            stop = asyncio.run_coroutine_threadsafe(self._shut_down(grace), self.loop)
            stop.add_done_callback(lambda _: self.loop.call_soon_threadsafe(self.loop.stop))
            self._thread.join(max(0.0, deadline - time.monotonic()) + 1.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self._lifespan = self.loop.create_task(self._live())
        try:
            self.loop.run_forever()
        finally:
            with contextlib.suppress(RuntimeError):  # a task that doesn't let itself be ended
                self.loop.close()

    async def _live(self) -> None:
        """Run the application's lifespan, from startup to shutdown."""
        scope = {"type": "lifespan", "asgi": ASGI, "state": self.state}
        self._inbox.put_nowait({"type": "lifespan.startup"})
        try:
            await self._application(scope, self._inbox.get, self._send)
        except (Exception, SystemExit, KeyboardInterrupt) as e:
            # Whatever it is: the loop is for all requests.
            if isinstance(e, SystemExit):
                await self._send({"type": "lifespan.startup.failed", "message": repr(e)})
            elif self._has_lifespan:
                logger.exception("the API's lifespan failed")
            elif not self.failure:
                # It may not know such scopes, as the specification says. If it does and has
                # failed, requests will tell.
                logger.info("the API has no lifespan (%r)", e)
        finally:
            self._started.set()
            self._is_down.set()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._has_lifespan = True
        elif kind == "lifespan.startup.failed":
            text = str(message.get("message", "")).strip()
            logger.error("the API's startup failed: %s", redact_text(text))
            self.failed_at = time.monotonic()
            # Starlette sends the whole traceback; its last line says what's wrong.
            self.failure = redact_text(text.rpartition("\n")[2]) or "no reason was given"
        elif kind == "lifespan.shutdown.failed":
            logger.error("the API's shutdown failed: %s", message.get("message", ""))
        if kind.startswith("lifespan.startup."):
            self._started.set()
        else:
            self._is_down.set()

    async def _shut_down(self, grace: float) -> None:
        deadline = self.loop.time() + grace
        if self.tasks:
            # A second is left for the application's own end.
            await asyncio.wait(set(self.tasks), timeout=max(0.0, grace - 1.0))
        if self._has_lifespan:
            self._inbox.put_nowait({"type": "lifespan.shutdown"})
            left = max(1.0, deadline - self.loop.time())
            try:
                await asyncio.wait_for(self._is_down.wait(), left)
            except asyncio.TimeoutError:
                logger.warning("the API's shutdown takes longer than %.0f s", left)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1.0)
        await self.loop.shutdown_asyncgens()
        await asyncio.sleep(0.01)  # a2wsgi tells waiting threads in a few steps
