from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

from tests.support.processes import environment

#: What servers and applications do with logging, for a program of its own each.
BEGIN = """
import logging, sys
import flask, gunicorn.config, gunicorn.glogging
from fluxsync import FluxSync, FluxSyncSettings
from fluxsync.bridges import serverlogs
from fluxsync.serving.gunicornlog import GunicornLogger

def gunicorn_logger(kind=gunicorn.glogging.Logger, **settings):
    config = gunicorn.config.Config()
    for name, value in settings.items():
        config.set(name, value)
    return kind(config)

def settings(**values):
    return FluxSyncSettings(streamlit_upstream="http://127.0.0.1:1", **values)
"""


def run(code: str, **env: str) -> list[str]:
    """Return the lines that a program writes."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + textwrap.dedent(code)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(env),
    )
    return ended.stdout.splitlines()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_gunicorn_of_somebody_else(log_format: str) -> None:
    """Its lines keep their form, unless all is JSON; twice makes no difference."""
    lines = run(f"""
        log = gunicorn_logger(accesslog="-")
        own = logging.StreamHandler()
        own.setFormatter(logging.Formatter("own %(levelname)s"))
        log.error_log.addHandler(own)
        for _ in range(2):
            serverlogs.configure(settings(log_format="{log_format}"))
        log.error("GET /?token=x")
        log.access_log.info("1.2.3.4 GET /?token=x")
    """)

    error, own, access = lines
    assert own == "own ERROR"
    assert access == "1.2.3.4 GET /?token=***"
    if log_format == "json":
        assert json.loads(error)["message"] == "GET /?token=***"
    else:
        assert error.startswith("[")
        assert error.endswith("[ERROR] GET /?token=***")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_our_gunicorn(log_format: str) -> None:
    """Its lines look like ours, also before there's an application, and in workers."""
    code = """
        log = gunicorn_logger(GunicornLogger)
        log.error("token=x")
        serverlogs.configure(settings())
        log.error("token=x")
    """

    for line in run(code, FLUXSYNC_LOG_FORMAT=log_format):
        if log_format == "json":
            assert json.loads(line)["message"] == "token=***"
        else:
            assert line.endswith("Z ERROR gunicorn.error: token=***")


def test_flask() -> None:
    """The API's exceptions have one line, however early its logger was asked for."""
    lines = run("""
        app = FluxSync(settings=settings(log_format="json"), flask_kwargs={"import_name": "own"})
        app.api.logger.error("not yet ours")
        mine = flask.Flask("mine")
        mine.logger.error("token=before")
        serverlogs.configure(app.settings)
        app.api.logger.error("token=x")
        mine.logger.error("token=x")

        @app.api.get("/boom")
        def boom():
            raise RuntimeError("token=x")

        app.api.test_client().get("/boom")
    """)

    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [(record["logger"], record["message"]) for record in found] == [
        ("fluxsync.api", "token=***"),
        ("mine", "token=***"),
        ("fluxsync.api", "Exception on /boom [GET]"),
    ]
    assert found[-1]["exception"]["message"] == "token=***"


def test_set_up_by_the_application() -> None:
    """That stays, unless somebody has set a format."""
    code = """
        logging.basicConfig(format="mine %(message)s", level="INFO")
        serverlogs.configure(settings())
        logging.getLogger("fluxsync.x").info("a")
    """

    assert run(code) == ["mine a"]
    assert run(code, FLUXSYNC_LOG_FORMAT="text")[0].endswith(" INFO fluxsync.x: a")


def test_waitress() -> None:
    """What it says goes the same way; its own level counts."""
    lines = run("""
        import waitress
        serverlogs.configure(settings(log_format="json"))
        logging.basicConfig()  # as waitress.serve() does
        logging.getLogger("waitress").error("Exception while serving /?token=x")
    """)

    assert [json.loads(line)["message"] for line in lines] == [
        "Exception while serving /?token=***"
    ]
