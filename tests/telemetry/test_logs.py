from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest


def run(code: str, **env: str) -> str:
    """Return what a program writes to standard error."""
    return subprocess.run(
        [sys.executable, "-c", f"import logging\nfrom fluxsync.telemetry import logs\n{code}"],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
        text=True,
    ).stderr


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
    """Nobody reads this program's standard error while it writes; what's lost is said later."""
    written = run(
        "import os, sys, threading\n"
        "reader, writer = os.pipe()\n"
        "original, sys.stderr = sys.stderr, os.fdopen(writer, 'w')\n"
        "logs.configure('info', background=True)\n"
        "logger = logging.getLogger('fluxsync.x')\n"
        "for i in range(3_000):\n"
        "    logger.info('x' * 8_000)\n"
        "handler = logging.getLogger('fluxsync').handlers[0]\n"
        "print('waiting', handler._size, file=original)\n"
        "def read():\n"
        "    with os.fdopen(reader) as lines:\n"
        "        for line in lines:\n"
        "            if 'lost' in line:\n"
        "                print(line.partition('log: ')[2], file=original)\n"
        "thread = threading.Thread(target=read)\n"
        "thread.start()\n"
        "logs.drain(60)\n"
        "logger.info('once more')\n"
        "logs.drain(60)\n"
        "sys.stderr.close()\n"
        "thread.join(); original.flush(); os._exit(0)"
    )

    waiting, lost = re.findall(r"\d+", written)
    assert int(waiting) <= 4 * 1024 * 1024
    assert 2_000 < int(lost) < 3_000
    assert "lines were lost" in written


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("logging.basicConfig(format='mine %(message)s')", "mine a\n", id="theirs"),
        pytest.param("logger.addHandler(logging.NullHandler())", "", id="theirs for fluxsync"),
        pytest.param("logger.setLevel('WARNING')", "", id="level is ours without handlers"),
    ],
)
def test_what_the_program_has_set_up_stays(code: str, expected: str) -> None:
    written = run(
        f"logger = logging.getLogger('fluxsync')\n{code}\n"
        "logs.configure('info')\nlogger.info('a')\n"
    )

    assert written == expected or (
        not expected and re.fullmatch(r"(\S+ INFO fluxsync: a\n)?", written)
    )


def test_insisting() -> None:
    """Who has set a format gets it; the rest of the program's log is its own."""
    written = run(
        "logging.basicConfig(format='mine %(message)s')\n"
        "logs.configure('info', 'json', insist=True)\n"
        "logging.getLogger('fluxsync.x').info('a')\n"
        "logging.getLogger('other').warning('b')\n"
    )

    first, second = written.splitlines()
    assert json.loads(first)["message"] == "a"
    assert second == "mine b"


def test_everything_is_json() -> None:
    """Also what loggers say that nobody has set up, and warnings."""
    written = run(
        "import warnings\n"
        "logs.configure('info', 'json')\n"
        "logging.getLogger('other').warning('token=x')\n"
        "logging.getLogger('other').info('not even this')\n"
        "warnings.warn('deprecated')\n"
        "print(logs.last_words('100 % broken', ValueError('token=x')), file=__import__('sys').stderr)\n"
    )

    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["logger"] for line in lines] == ["other", "py.warnings", "fluxsync"]
    assert lines[0]["message"] == "token=***"
    assert "deprecated" in lines[1]["message"]
    assert lines[2]["message"] == "100 % broken"
    assert lines[2]["exception"]["message"] == "token=***"


def test_last_words_for_people() -> None:
    written = run(
        "try: raise ValueError('token=x')\n"
        "except ValueError as e: print(logs.last_words('broken', e), file=__import__('sys').stderr)"
    )

    assert written.startswith("Traceback (most recent call last):\n")
    assert written.endswith("ValueError: token=***\nbroken\n")


@pytest.mark.parametrize(
    ("variable", "code", "is_json"),
    [
        pytest.param("json", "", True, id="nothing is known yet"),
        pytest.param("json", "logs.configure('info', 'text')", False, id="the log is text"),
        pytest.param("text", "logs.configure('info', 'json')", True, id="the log is JSON"),
        pytest.param("jsonl", "", False, id="the variable is wrong"),
        pytest.param("", "", False, id="it is empty"),
    ],
)
def test_last_words_before_there_is_a_log(variable: str, code: str, is_json: bool) -> None:
    """The log's format counts; before there is one, what the environment says it will be."""
    written = run(
        f"import sys; {code}\nsys.stderr.write(logs.last_words('port=x token=y') + chr(10))",
        FLUXSYNC_LOG_FORMAT=variable,
    )

    if is_json:
        said = json.loads(written)
        del said["time"]
        assert said == {"level": "ERROR", "logger": "fluxsync", "message": "port=x token=***"}
    else:
        assert written == "port=x token=***\n"


def test_programs_may_set_up_logging_later() -> None:
    """Ours is no handler of the root logger, with which basicConfig() would do nothing."""
    written = run(
        "logs.configure('info')\n"
        "logging.basicConfig(format='mine %(message)s', level='INFO')\n"
        "logging.getLogger('other').info('b')\n"
    )

    assert written == "mine b\n"


def test_secrets_of_settings() -> None:
    written = run(
        "logs.configure('info', secrets=['swordfish-and-more', 'short', 'swordfish'])\n"
        "logging.getLogger('fluxsync.x').info('say swordfish-and-more, swordfish and short')\n"
    )

    assert written.endswith("say ***, *** and short\n")


def test_servers() -> None:
    """A server's logger that has handlers keeps them."""
    written = run(
        "logging.getLogger('b').addHandler(logging.NullHandler())\n"
        "logs.adopt('a')\n"  # there's nothing to adopt it for yet
        "logs.configure('info', 'json')\n"
        "for name in 'ab': logs.adopt(name); logging.getLogger(name).warning('x')\n"
    )

    assert [json.loads(line)["logger"] for line in written.splitlines()] == ["a"]


def test_nobody_reads() -> None:
    """A line that can't be written is no reason to fail, nor to print a traceback."""
    assert (
        run(
            "import sys; logs.configure('info'); stderr, sys.stderr = sys.stderr, open('/dev/full', 'w')\n"
            "logging.getLogger('fluxsync.x').info('a')\n"
            "print('still here', file=stderr); import os; stderr.flush(); os._exit(0)"
        )
        == "still here\n"
    )


def test_nowhere_to_write() -> None:
    """Standard error that was closed before the start is None."""
    written = run(
        "import sys; stderr, sys.stderr = sys.stderr, None; logs.configure('info')\n"
        "logging.getLogger('fluxsync.x').info('a'); logging.getLogger('z').warning('b')\n"
        "print('still here', file=stderr)"
    )

    assert written == "still here\n"
