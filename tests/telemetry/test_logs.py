from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.telemetry.logs import LineFormatter


def line(message: str = "hello", **facts: object) -> str:
    record = logging.LogRecord("fluxsync.x", logging.INFO, "x.py", 1, message, (), None)
    record.__dict__.update(facts)
    return LineFormatter().format(record)


def run(code: str) -> str:
    """Return what a program writes to standard error."""
    return subprocess.run(
        [sys.executable, "-c", f"import logging\nfrom fluxsync.telemetry import logs\n{code}"],
        check=True,
        capture_output=True,
        text=True,
    ).stderr


def test_line() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO fluxsync\.x: hello", line())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a", " fact=a", id="text"),
        pytest.param(0, " fact=0", id="number"),
        pytest.param(0.12345, " fact=0.123", id="seconds"),
        pytest.param(None, "", id="nothing"),
        pytest.param("", "", id="empty"),
        pytest.param("a b", ' fact="a b"', id="space"),
        pytest.param('a"b', ' fact="a\\"b"', id="quote"),
        pytest.param("a\nb", ' fact="a\\nb"', id="line break"),
    ],
)
def test_fact(value: object, shown: str) -> None:
    assert line(fact=value).partition("hello")[2] == shown


@given(st.text())
def test_facts_never_make_a_second_line(value: str) -> None:
    assert line(fact=value, other=1).isprintable()


def test_configure() -> None:
    """Twice, and still one line per record, from the level on."""
    written = run(
        "logs.configure('info'); logs.configure('warning')\n"
        "logger = logging.getLogger('fluxsync.x')\n"
        "logger.info('a'); logger.warning('b', extra={'fact': 1})"
    )

    assert re.fullmatch(r"\S+ WARNING fluxsync\.x: b fact=1\n", written)


def test_configure_respects_what_the_program_has_set_up() -> None:
    written = run(
        "logging.basicConfig(format='mine %(message)s')\n"
        "logs.configure('info')\n"
        "logging.getLogger('fluxsync.x').info('a')"
    )

    assert written == "mine a\n"


def test_background() -> None:
    written = run(
        "logs.configure('info', background=True)\n"
        "for i in range(1000):\n"
        "    logging.getLogger('fluxsync.x').info('%d', i)\n"
        "logs.drain(30)"
    )

    assert [int(text.split()[-1]) for text in written.splitlines()] == list(range(1000))


def test_background_loses_lines_rather_than_stopping() -> None:
    """Nobody reads this program's standard error while it writes."""
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import logging, os, sys\n"
            "from fluxsync.telemetry import logs\n"
            "reader, writer = os.pipe()\n"
            "sys.stderr = os.fdopen(writer, 'w')\n"
            "logs.configure('info', background=True)\n"
            "for i in range(30_000):\n"
            "    logging.getLogger('fluxsync.x').info('x' * 100)\n"
            "logs.drain(0.01)\n"
            "os._exit(0)",
        ],
        check=True,
        timeout=60,
    )
