"""Tests of examples drive a browser, too."""

from __future__ import annotations

from tests.browser.conftest import browser, page, pytest_runtest_makereport, tab

__all__ = ["browser", "page", "pytest_runtest_makereport", "tab"]
