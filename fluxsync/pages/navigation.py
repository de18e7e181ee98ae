"""Show the pages of the application; runs in Streamlit's process, on each rerun."""

from __future__ import annotations

import functools
import inspect
import os
import typing as t

import streamlit as st

from ..config.environment import is_pages_process
from ..config.target import import_target
from ..exceptions import PageError, PageInputError
from ..process.changes import MODULES
from .annotations import name_of
from .command import TARGET_VARIABLE
from .deep_links import PAGE_KEY, keep_for_switch, match_nav_page, query_params, restore
from .meta import PageMeta, page_meta
from .ordering import arrange, default_page, find, paths
from .overrides import current_overrides
from .running import Run
from .spans import page_span
from .values import Texts, sentence

if t.TYPE_CHECKING:
    from .application import PageApplication
    from .ordering import Section
    from .plans import Plan
    from .registry import PageRecord


def run() -> None:
    """Show the page that the browser asked for."""
    target = os.environ[TARGET_VARIABLE]
    if not is_pages_process() or st.get_option("server.fileWatcherType") == "none":
        show(import_target(target))  # once per process
        return
    MODULES.forget_changed()
    try:
        app = import_target(target)
    finally:
        MODULES.note()
    show(app)


def show(app: PageApplication) -> None:
    """Show an application's current page."""
    records = app.page_records
    if not records:
        if config := app.settings.streamlit_page_config:
            st.set_page_config(**config)
        st.title(app.settings.title)
        st.info("There are no pages yet. Register one with `@app.page(...)`.")
        return
    sections = arrange(records, app.navigation_model)
    default = default_page(sections)
    pages = _streamlit_pages(app, sections, default)
    menu = {s.heading: [pages[entry.record] for entry in s.entries] for s in sections}
    current = st.navigation(t.cast("t.Any", menu))
    record = next((r for r in records if r is not default and r.slug == current.url_path), default)
    _follow_deep_link(records, record, pages)
    if config := {**app.settings.streamlit_page_config, **record.meta.config}:
        st.set_page_config(**config)
    restore(st)
    current.run()


def _streamlit_pages(
    app: PageApplication, sections: t.Sequence[Section], default: PageRecord
) -> dict[PageRecord, t.Any]:
    return {
        entry.record: st.Page(
            bind(app, entry.record),
            title=entry.title,
            icon=entry.icon,
            # Streamlit wants exactly one default page, which has the path "/" and no other.
            url_path="" if entry.record is default else entry.record.slug,
            default=entry.record is default,
        )
        for section in sections
        for entry in section.entries
    }


def _follow_deep_link(
    records: t.Sequence[PageRecord], current: PageRecord, pages: t.Mapping[PageRecord, t.Any]
) -> None:
    """Go to the page that the query parameter ``page`` names, with the other parameters."""
    if PAGE_KEY not in st.query_params or PAGE_KEY in current.plan.query_names():
        return
    found = match_nav_page(query_params(st), records)
    if found is None:
        return
    keep_for_switch(st)
    wanted = find(records, found[0])
    if wanted is not None and wanted is not current:
        st.switch_page(pages[wanted])


def streamlit_page(app: PageApplication, path: str) -> t.Any:
    """Return one of the pages as Streamlit has it.

    :raise PageError: There's no such page.
    """
    record = find(app.page_records, path)
    if record is None:
        raise PageError(f"there is no page {path!r}: use one of {paths(app.page_records)}")
    sections = arrange(app.page_records, app.navigation_model)
    return _streamlit_pages(app, sections, default_page(sections))[record]


def bind(app: PageApplication, record: PageRecord) -> t.Callable[[], None]:
    """Return a page's function with its parameters filled in."""

    @functools.wraps(record.function)
    def page() -> None:
        head = _Head()
        head.show(record.meta)
        with app.in_page(), page_span(st, record.path), start_run(app) as run:
            try:
                result = run.call(record.function, record.plan)
                if inspect.isgenerator(result):
                    result = _apply_yielded(result, head)
                _apply(result, head)
            except PageInputError as e:
                # Not a fault of the program: its user's URL, or what came with the request.
                st.error(sentence(e))

    # Streamlit gives pages that are callable objects a name by this.
    page.__name__ = getattr(record.function, "__name__", "page")
    return page


def start_run(app: PageApplication) -> Run:
    """Return a run of a page of the application, to be entered."""
    overrides = {
        function: (other, app.planner.plan(other, "dependency_overrides"))
        for function, other in app.dependency_overrides.items()
    }
    return Run(st, Texts(st, current_overrides()), overrides)


def inject(
    app: PageApplication, function: t.Callable[..., t.Any], plan: Plan
) -> t.Callable[..., t.Any]:
    """Return a function whose remaining parameters are filled in when it's called.

    In a page's run it shares the dependencies' values. Called in a run of its own, as fragments
    and dialogs are, it has its own.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        given = signature.bind_partial(*args, **kwargs).arguments
        rest = plan.without(given)
        current = Run.current()
        if current is not None:
            return current.call(function, rest, *args, **kwargs)
        with app.in_page(), page_span(st, "", name_of(function)), start_run(app) as run:
            try:
                return run.call(function, rest, *args, **kwargs)
            except PageInputError as e:
                st.error(sentence(e))
                return None

    return call


class _Head:
    """The place above a page, which is there before the page says what it's for."""

    def __init__(self) -> None:
        # Nothing of it is seen while it's empty.
        self._container = st.container()
        self._slot: t.Any = None
        self._lines: dict[str, str] = {}

    def show(self, meta: PageMeta, description: str = "") -> None:
        """Show a page's breadcrumb and description in place of those that were there."""
        found = {"trail": meta.trail, "description": description}
        if given := {name: line for name, line in found.items() if line}:
            self._lines.update(given)
            self._slot = self._slot or self._container.empty()
            self._slot.caption("  \n".join(self._lines[n] for n in found if n in self._lines))


def _apply_yielded(pages: t.Generator[t.Any, t.Any, t.Any], head: _Head) -> t.Any:
    """Let each :class:`PageMeta` that a page yields take effect; return what the page returns."""
    while True:
        try:
            value = next(pages)
        except StopIteration as e:
            return e.value
        _apply(value, head)


def _apply(value: t.Any, head: _Head) -> None:
    """Let a :class:`PageMeta` that a page returned take effect."""
    try:
        meta = page_meta(value)
    except PageError as e:
        st.error(sentence(e))
        return
    if meta is None:
        return
    if meta.children or meta.order is not None:
        st.error("`children` and `order` belong to the page's registration.")
        return
    head.show(meta, meta.description or "")
    if meta.config:
        st.set_page_config(**meta.config)
