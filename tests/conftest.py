"""Fixtures for all tests; what they are made of is in ``tests/support``."""

from __future__ import annotations

import contextlib
import signal
import typing as t

import hypothesis
import pytest

from tests.support import leaks
from tests.support.gateways import MOUNTS, WORKER_CLASSES, Gateway, Mount
from tests.support.leaks import Service
from tests.support.processes import Server
from tests.support.upstream import FakeStreamlit

pytest_plugins = ("tests.support.databases",)

StartGateway = t.Callable[..., Gateway]
StartServer = t.Callable[[Server], Server]

hypothesis.settings.register_profile("default", deadline=None, derandomize=True)
# For what the same hundred examples don't find: --hypothesis-profile=search
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("default")


def pytest_configure() -> None:
    # Whoever ends the tests with SIGTERM gets the servers ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell has its background jobs ignore SIGINT, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take long, or one process would still have one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> t.Generator[None, pytest.TestReport, t.Any]:
    """Show what the servers that ran beside a failed test have said lately."""
    report = yield
    if report.failed:
        for server in Service.running:
            if isinstance(server, Server):
                output = "".join(server.output.splitlines(keepends=True)[-200:])
                report.sections.append((f"output of {' '.join(server.args)}", output))
    return report


@pytest.fixture(scope="session", autouse=True)
def subreaper() -> None:
    """Make orphans of servers our children, where the leak detector sees them."""
    leaks.become_subreaper()
    leaks.note_who_waits()


@pytest.fixture(autouse=True)
def leak_detector(subreaper: None) -> t.Iterator[None]:
    """Fail a test that leaves a thread, a child process or an open file behind."""
    before = leaks.Snapshot()
    yield
    before.check()


@pytest.fixture
def upstream() -> t.Iterator[FakeStreamlit]:
    """A fake Streamlit for this test alone."""
    with FakeStreamlit() as server:
        yield server


@pytest.fixture
def serve() -> t.Iterator[StartServer]:
    """Start servers for this test alone: ``server = serve(Server(...))``."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context


@pytest.fixture
def gateway(serve: StartServer, upstream: FakeStreamlit) -> StartGateway:
    """Start gateways for this test alone, in front of :func:`upstream`.

    ``gateway(worker_class="gthread", *, env=None, args=(), mount=Mount(), ready=True)``; with
    ``upstream=None`` they start what ``env`` says.
    """

    def start(worker_class: str = "gthread", **options: t.Any) -> Gateway:
        server = Gateway(worker_class, **{"upstream": upstream, **options})
        serve(server)
        return server

    return start


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each of gunicorn's worker classes in turn."""
    return str(request.param)


@pytest.fixture(params=list(MOUNTS.values()), ids=list(MOUNTS))
def mount(request: pytest.FixtureRequest) -> Mount:
    """At the root, and under a prefix that a proxy strips, or does not strip."""
    assert isinstance(request.param, Mount)
    return request.param


class Shared:
    """Gateways that many tests use; started when first needed, ended with the session."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._gateways: dict[tuple[str, str], Gateway] = {}
        self._upstream: FakeStreamlit | None = None

    @property
    def upstream(self) -> FakeStreamlit:
        if self._upstream is None:
            self._upstream = self._stack.enter_context(FakeStreamlit())
            self._upstream.shared = True
        return self._upstream

    def gateway(self, worker_class: str, mount: Mount) -> Gateway:
        """Return the gateway for the root path, addressed as the mount says."""
        key = (worker_class, mount.root)
        if key not in self._gateways:
            server = Gateway(worker_class, upstream=self.upstream, mount=mount)
            server.shared = True
            self._gateways[key] = self._stack.enter_context(server)
        server = self._gateways[key]
        server.mount = mount
        return server


@pytest.fixture(scope="session")
def shared() -> t.Iterator[Shared]:
    with contextlib.ExitStack() as stack:
        yield Shared(stack)


@pytest.fixture
def shared_upstream(shared: Shared) -> FakeStreamlit:
    """The fake Streamlit behind :func:`live`, without what earlier tests did to it."""
    shared.upstream.reset()
    return shared.upstream


@pytest.fixture
def live(
    shared: Shared, shared_upstream: FakeStreamlit, worker_class: str, mount: Mount
) -> Gateway:
    """A running gateway, for each worker class and each mount; many tests share it.

    Its counterpart is :func:`shared_upstream`. A test that breaks or configures a gateway
    starts its own with :func:`gateway`.
    """
    return shared.gateway(worker_class, mount)
