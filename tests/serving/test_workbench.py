from __future__ import annotations

import typing as t

import pytest

from fluxsync.exceptions import ConfigError
from fluxsync.serving.workbench import find_url

if t.TYPE_CHECKING:
    from pathlib import Path

SESSION = {"RS_SERVER_URL": "https://wb.example/", "RS_SESSION_URL": "/s/1/"}
URL = "https://wb.example/s/1/p/ba057db6/"


@pytest.fixture
def program(tmp_path: Path) -> t.Callable[[str], str]:
    """Write a program in place of Posit's."""

    def write(script: str) -> str:
        path = tmp_path / "rserver-url"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(f"echo {URL}", id="agrees"),
        pytest.param("echo http://localhost:8787/s/1/p/ba057db6", id="agrees on the path"),
        pytest.param("kill -SEGV $$", id="crashes"),
        pytest.param("echo Usage: rserver-url >&2; exit 1", id="fails"),
        pytest.param("echo /p/ba057db6/", id="no URL"),
        pytest.param("printf '\\377'", id="no text"),
    ],
)
def test_variables_are_enough(
    program: t.Callable[[str], str], capsys: pytest.CaptureFixture[str], script: str
) -> None:
    assert find_url(SESSION, 8050, program(script)) == URL
    assert find_url(SESSION, 8050, "/nowhere/rserver-url") == URL
    assert capsys.readouterr().err == ""


def test_posits_program_knows_better(
    program: t.Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = "https://wb.example/s/2/p/00000001/"

    assert find_url(SESSION, 8050, program(f'test "$*" = "-l 8050" && echo {said}')) == said
    assert f"says {said}, the session's variables say {URL}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "elsewhere, use fluxsync dev"),
        ({**SESSION, "RS_PORT_TOKEN": "x"}, "12 hexadecimal digits"),
        ({**SESSION, "RS_SERVER_URL": "javascript:x"}, "not the URL of Workbench"),
    ],
)
def test_no_session(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=f"^RS_SESSION_URL=.* from environment: .*{expected}"):
        find_url(environ, 8050, "/nowhere/rserver-url")
