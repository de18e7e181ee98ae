"""Show the pages of the application; runs in Streamlit's process, on each rerun."""

from __future__ import annotations

import functools
import os
import typing as t

import streamlit as st

from ..config.target import import_target
from ..upstream.client import shared_client
from .command import TARGET_VARIABLE

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from .registry import PageRecord


class Application(t.Protocol):
    """What is needed of a :class:`~fluxsync.FluxSync`."""

    @property
    def page_records(self) -> Sequence[PageRecord]:
        """The registered pages."""

    @property
    def settings(self) -> t.Any:
        """The settings."""


def run() -> None:
    """Show the page that the browser asked for."""
    # The module is imported once per process; Streamlit has it imported anew when its file
    # changes.
    show(import_target(os.environ[TARGET_VARIABLE]))


def show(app: Application) -> None:
    """Show an application's current page."""
    config = app.settings.streamlit_page_config
    if config:
        st.set_page_config(**config)
    records = app.page_records
    if not records:
        st.title(app.settings.title)
        st.info("There are no pages yet. Register one with `@app.page(...)`.")
        return
    default = next((r for r in records if r.path == "/"), records[0])
    pages = [
        st.Page(
            bind(record),
            title=record.title,
            icon=record.icon,
            # Streamlit wants exactly one default page, which has the path "/" and no other.
            url_path="" if record is default else record.slug,
            default=record is default,
        )
        for record in records
    ]
    st.navigation(pages).run()


def bind(record: PageRecord) -> t.Callable[[], None]:
    """Return a page's function with its parameters filled in."""
    available = {"st": lambda: st, "client": shared_client}

    @functools.wraps(record.function)
    def page() -> None:
        record.function(**{name: available[name]() for name in record.parameters})

    return page
