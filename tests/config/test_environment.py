from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.config.environment import is_pages_process, python_path, streamlit_environment


@pytest.mark.parametrize(
    ("name", "passed"),
    [
        pytest.param("PATH", True, id="needed by every program"),
        pytest.param("LC_ALL", True, id="pattern"),
        pytest.param("STREAMLIT_THEME_BASE", True, id="Streamlit's"),
        pytest.param("FLUXSYNC_APP", True, id="ours"),
        pytest.param("FLUXSYNC_JWT_HS256_SECRET", False, id="secret of the API"),
        pytest.param("FLUXSYNC_OIDC_BFF_SECRET", False, id="secret of logins"),
        pytest.param("https_proxy", True, id="lower case"),
        pytest.param("DATABASE_URL", False, id="secret"),
        pytest.param("AWS_SECRET_ACCESS_KEY", False, id="another secret"),
        pytest.param("path", False, id="another name"),
        pytest.param("MY_PATH", False, id="end of a name"),
    ],
)
def test_streamlit_environment(name: str, passed: bool) -> None:
    assert (name in streamlit_environment({name: "x"}, ())) is passed


def test_more_names_and_patterns() -> None:
    environ = {"DATABASE_URL": "a", "AWS_REGION": "b", "AWS_KEY": "c", "JWT_SECRET": "d"}

    chosen = streamlit_environment(environ, ["DATABASE_URL", "AWS_*"])

    assert chosen.keys() == {
        *("DATABASE_URL", "AWS_REGION", "AWS_KEY"),
        *("FORWARDED_ALLOW_IPS", "_FLUXSYNC_PAGES"),
    }


@pytest.mark.parametrize("named", ["FLUXSYNC_JWT_HS256_SECRET", "FLUXSYNC_*"])
def test_secrets_of_the_api_that_are_named(named: str) -> None:
    environ = {"FLUXSYNC_JWT_HS256_SECRET": "x"}

    assert streamlit_environment(environ, [named]).items() >= environ.items()


def test_streamlits_process_knows_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_pages_process()

    for name, value in streamlit_environment({}, ()).items():
        monkeypatch.setenv(name, value)

    assert is_pages_process()


@given(st.dictionaries(st.text(), st.text()))
def test_streamlit_believes_only_the_gateway(environ: dict[str, str]) -> None:
    chosen = streamlit_environment({**environ, "FORWARDED_ALLOW_IPS": "*"}, ["*"])

    assert chosen == {**environ, "FORWARDED_ALLOW_IPS": "127.0.0.1", "_FLUXSYNC_PAGES": "1"}


def test_path_for_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds what was added here, but for its own library, which it has anyway."""
    monkeypatch.syspath_prepend(tmp_path)
    path = python_path().split(os.pathsep)

    assert path[0] == str(tmp_path)
    assert os.path.dirname(os.__file__) not in path
    command = [sys.executable, "-S", "-c", "import sys, pytest; print(*sys.path, sep='\\n')"]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    found = subprocess.check_output(command, env=environ, text=True).splitlines()
    assert found[1 : len(path) + 1] == path
