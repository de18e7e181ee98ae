from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.paths import normalize_mount
from fluxsync.sansio.rootpath import find


@pytest.mark.parametrize(
    ("setting", "script_name", "expected"),
    [
        pytest.param("/app", "/other", "/app", id="setting wins"),
        pytest.param("", "/app/", "/app", id="mount of the server"),
        pytest.param("", "", "", id="nowhere"),
        pytest.param("", "/", "", id="the root itself"),
        pytest.param("", "http://evil.example/", "", id="no path"),
    ],
)
def test_find(setting: str, script_name: str, expected: str) -> None:
    assert find(setting, script_name) == expected


@given(st.text())
def test_a_root_path_is_fit_for_links_and_fields(script_name: str) -> None:
    path = find("", script_name)

    assert path == normalize_mount(path)
    assert path.isprintable()
    assert not path.startswith("//")
