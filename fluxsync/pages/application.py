"""What an application does with pages."""

from __future__ import annotations

import contextlib
import sys
import typing as t

from ..exceptions import PageError
from .annotations import name_of
from .discovery import discover
from .manifest import build_page_manifest
from .ordering import NavigationModel, check
from .planning import Planner
from .registry import PageRegistry

if t.TYPE_CHECKING:
    from ..config import FluxSyncSettings
    from .meta import PageMeta
    from .planning import Getter
    from .registry import PageFunction, PageRecord

ApplicationT = t.TypeVar("ApplicationT", bound="PageApplication")
ResultT = t.TypeVar("ResultT")
FunctionT = t.TypeVar("FunctionT", bound="t.Callable[..., t.Any]")


class PageApplication:
    """An application's pages: the part of :class:`~fluxsync.FluxSync` that pages are about.

    Pages are registered while the application's module is imported, by one thread.

    :param settings: The application's settings.
    :param names: What parameters of these names get.
    :param types: What parameters of these types get.
    """

    def __init__(
        self,
        settings: FluxSyncSettings,
        names: t.Mapping[str, Getter],
        types: t.Mapping[type, Getter],
    ) -> None:
        #: The settings. They don't change.
        self.settings = settings
        #: Functions that stand in for dependencies, in tests.
        self.dependency_overrides: dict[t.Callable[..., t.Any], t.Callable[..., t.Any]] = {}
        self._planner = Planner(names, types, strict=settings.strict_page_signatures)
        self._navigation = NavigationModel()
        self._pages = PageRegistry(
            settings.api_mount_path, self._planner, yields=settings.experimental_yield_pages
        )

    def page(
        self,
        path: str,
        *,
        title: str | None = None,
        icon: str | None = None,
        tags: t.Iterable[str] = (),
        page_meta: PageMeta | None = None,
    ) -> t.Callable[[FunctionT], FunctionT]:
        """Register a function as a Streamlit page; a decorator.

        The function is called on each rerun. ``st`` and ``client`` get the :mod:`streamlit`
        module and an :class:`~fluxsync.ApiClient`; further parameters are filled by their type,
        or by ``Depends``, ``Query``, ``Header``, ``Cookie`` or ``SessionModel``.

        :param path: ``"/"`` for the default page, or ``"/name"``.
        :param title: Title in the navigation; made from the function's name if not given.
        :param icon: An emoji, or a Material icon as ``:material/home:``.
        :param tags: For the manifest.
        :param page_meta: Looks and place of the page.
        :raise PageError: Streamlit can't serve it, something else answers its path, or a
            parameter can't be filled.
        """

        def register(function: FunctionT) -> FunctionT:
            self._pages.add(
                path,
                function,
                title=title,
                icon=icon,
                tags=tags,
                meta=page_meta,
                local_names=_local_names(),
            )
            return function

        return register

    def discover_pages(
        self: ApplicationT, directory: str, *, package: str | None = None
    ) -> ApplicationT:
        """Import the modules of a package of pages, and call each one's ``register(app)``.

        In the order of their names; those that begin with an underscore are left out. Pages
        that are registered already keep their place. If one module fails, none is registered.

        :param directory: The package, relative to *package*: ``"pages"``.
        :param package: The package around it; none if it's at the top.
        :raise PageError: It's no package, or a module of it can't be imported.
        """
        with self._pages.all_or_nothing():
            discover(self, directory, package)
        return self

    def navigation(self: ApplicationT, model: NavigationModel) -> ApplicationT:
        """Say which pages come first in the navigation."""
        if not isinstance(model, NavigationModel):
            raise PageError(f"navigation({model!r}): expected a NavigationModel")
        self._navigation = model
        return self

    def inject(self, function: t.Callable[..., ResultT]) -> t.Callable[..., ResultT]:
        """Fill a function's parameters as those of a page; a decorator.

        For fragments and dialogs, which Streamlit runs again without their page:

        .. code-block:: python

            @st.fragment(run_every=2)
            @app.inject
            def progress(job: int, client: ApiClient):
                st.progress(client.get(f"/jobs/{job}").json()["done"])

        Parameters that the caller gives stay as they are.

        :raise PageError: A parameter can't be filled.
        """
        from .navigation import inject  # imports Streamlit

        what = name_of(function)
        plan = self._planner.plan_rest(function, what, _local_names())
        return inject(self, function, plan)

    def streamlit_page(self, path: str) -> t.Any:
        """Return a page as ``st.switch_page`` and ``st.page_link`` want it, within a page.

        :raise PageError: There's no such page.
        """
        from .navigation import streamlit_page  # imports Streamlit

        return streamlit_page(self, path)

    @property
    def pages(self) -> list[tuple[str, str, PageFunction]]:
        """Path, title and function of each page, in the order of registration."""
        return [(record.path, record.title, record.function) for record in self._pages.records]

    @property
    def page_records(self) -> tuple[PageRecord, ...]:
        """The pages, in the order of registration."""
        return self._pages.records

    @property
    def navigation_model(self) -> NavigationModel:
        """Which pages come first."""
        return self._navigation

    @property
    def planner(self) -> Planner:
        """Knows what functions' parameters get."""
        return self._planner

    def build_page_manifest(self, *, version: int = 1) -> dict[str, t.Any]:
        """Return a description of the pages for other programs, which can be written as JSON.

        :raise ValueError: There's no such version.
        """
        return build_page_manifest(self, version=version)

    def check_pages(self) -> None:
        """Check what concerns several pages, when all are registered.

        :raise PageError: Their order or their children don't go together.
        """
        if faults := check(self._pages.records, self._navigation):
            raise PageError(faults[0])

    def in_page(self) -> contextlib.AbstractContextManager[t.Any]:
        """Make the application the one of this run of a page."""
        return contextlib.nullcontext()


def _local_names() -> dict[str, t.Any]:
    """Return the local names where a decorator is applied, if that's within a function."""
    frame = sys._getframe(2)
    return dict(frame.f_locals) if frame.f_locals is not frame.f_globals else {}
