"""Streamlit's process, and the pages."""

from __future__ import annotations

import typing as t

from pydantic import Field

from ..fields import Names, PageConfig, StreamlitOptions
from .group import Group


class PageSettings(Group):
    """Streamlit's process, and the pages."""

    streamlit_run_cli_args: StreamlitOptions = Field(
        (), description="More options for streamlit run."
    )
    strict_page_signatures: bool = Field(
        False, description="Refuse pages with parameters that nobody fills."
    )
    experimental_yield_pages: bool = Field(
        False, description="Let pages be generator functions, which yield PageMeta."
    )
    streamlit_page_config: PageConfig = Field({}, description="Arguments of st.set_page_config.")
    streamlit_env: Names = Field(
        (), description="More environment variables for Streamlit; * stands for any text."
    )
    streamlit_file_watcher: t.Literal["auto", "watchdog", "poll", "none"] = Field(
        "none", description="How Streamlit notices that a page's file has changed."
    )
    streamlit_start_timeout_s: t.Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="How long Streamlit may take to start."
    )
