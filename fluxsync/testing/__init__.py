"""What users test their applications with; no framework for tests is needed."""

from .apptest import (
    apptest_assert_no_errors,
    apptest_select_page,
    assert_no_streamlit_exception,
    streamlit_main_path,
)
from .client import FluxSyncTestClient
from .fakestreamlit import Answer, FakeStreamlit, ReceivedRequest
from .live import serve

__all__ = [
    "Answer",
    "FakeStreamlit",
    "FluxSyncTestClient",
    "ReceivedRequest",
    "apptest_assert_no_errors",
    "apptest_select_page",
    "assert_no_streamlit_exception",
    "serve",
    "streamlit_main_path",
]
