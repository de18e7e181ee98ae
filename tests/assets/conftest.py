"""A small Streamlit for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxsync.assets import frontend
from fluxsync.assets.frontend import Frontend, Package
from tests.support.frontends import write_package


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """An installation of Streamlit 9.9."""
    return write_package(tmp_path / "streamlit")


@pytest.fixture
def files(package: Package) -> Frontend:
    """Its frontend files."""
    return frontend.scan(package)
