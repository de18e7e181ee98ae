"""The example of medium size: its own tests, and a person who uses it in a browser."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import typing as t
import uuid
from importlib.metadata import version

import psutil
import pytest
import sqlalchemy
from playwright.sync_api import Page, expect

from tests.support.browser import TIMEOUT, Tab
from tests.support.demo import coloured_pixels, expect_heading, wait_until_run
from tests.support.processes import PYTHON, ROOT, Server, environment, free_port
from tests.support.waiting import FACTOR, eventually

expect.set_options(timeout=TIMEOUT)

EXAMPLE = ROOT / "deploy" / "examples" / "groundwater"
PASSWORD = "correct horse battery"

pytestmark = [
    pytest.mark.skipif(
        int(version("streamlit").split(".")[1]) < 60, reason="it needs Streamlit 1.60"
    ),
    pytest.mark.timeout(320),  # its own tests are many
]


def run(*arguments: str, cwd: t.Any = EXAMPLE, stdin: str = "", **env: str) -> None:
    """Run Python in the example, and show what it says if it fails."""
    done = subprocess.run(
        [*PYTHON, *arguments],
        cwd=cwd,
        env=environment({"PYTHONDONTWRITEBYTECODE": "1", **env}),
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300 * FACTOR,
    )
    assert done.returncode == 0, done.stdout


OWN_TESTS = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")


@pytest.mark.streamlit
def test_own_tests() -> None:
    run(*OWN_TESTS)


def test_api_on_postgresql(postgres_url: str) -> None:
    name = f"groundwater_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        url = engine.url.set(database=name).render_as_string(hide_password=False)
        tests = [f"tests/test_{name}.py" for name in ("api", "database", "files", "jobs")]
        # What's refused before it gets to the database is the same with each.
        rest = ("-k", "not bad_readings and not malformed")
        run(*OWN_TESTS, *tests, *rest, GROUNDWATER_DATABASE_URL=url)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
    finally:
        engine.dispose()


class Groundwater(Server):
    """The example, copied, filled and served by two workers as its README says."""

    def __init__(self) -> None:
        self.port = free_port()
        options = ("--port", str(self.port), "--workers", "2", "--threads", "4")
        super().__init__(*PYTHON, "-m", "fluxsync", "run", *options)
        shutil.copytree(
            EXAMPLE,
            self.directory,
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
        self.env["GROUNDWATER_SECRET_KEY"] = secrets.token_hex(32)
        run("-m", "groundwater.seed", cwd=self.directory)
        make = ("-m", "groundwater.users", "ada", "--role", "admin")
        run(*make, cwd=self.directory, stdin=f"{PASSWORD}\n")

    def start(self) -> None:
        super().start()
        self.wait_for_line(r"Running on http://127\.0\.0\.1:\d+", timeout=60)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.directory / "groundwater.sqlite3", timeout=15)


@pytest.fixture
def server() -> t.Iterator[Groundwater]:
    with Groundwater() as started:
        yield started


@pytest.mark.browser
@pytest.mark.streamlit
def test_visit(server: Groundwater, tab: Tab) -> None:
    """Log in, add, import, compute, see charts, lose the workers, and log out."""
    page, base = tab.page, f"http://127.0.0.1:{server.port}/"
    page.goto(f"{base}?well=Ford+House&well=Gravel+Pit&since=2020-01-01")
    log_in(page, "wrong password")
    expect(page.get_by_text("Name or password is wrong.")).to_be_visible()
    log_in(page, PASSWORD)
    expect_heading(page, "Water levels")
    wells = page.get_by_test_id("stMultiSelect")
    expect(wells).to_contain_text("Ford House")  # the link's, kept over the login
    expect(wells).not_to_contain_text("Abbey Farm")
    expect_chart(page)

    go(page, "Readings")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Please correct:")).to_be_visible()
    page.get_by_label("Level in metres").first.fill("81.5")
    page.get_by_label("Note").first.fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("The reading was added.")).to_be_visible()

    go(page, "Files")
    upload(
        page, "bad.csv", "well,taken_on,level_m\nFord House,2026-01-01,90.1\nNowhere,2026-01-01,1\n"
    )
    expect(page.get_by_text("1 of the rows are wrong. Nothing was imported.")).to_be_visible()
    upload(
        page,
        "good.csv",
        "well,taken_on,level_m\nFord House,2026-01-01,90.1\nGravel Pit,2026-01-01,99\n",
    )
    expect(page.get_by_text("All rows were imported.")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download all readings").click()
    lines = downloading.value.path().read_text().splitlines()
    assert len(lines) == 1 + 12 * 260 + 1 + 2
    assert "Ford House,2026-01-01,90.1," in lines

    go(page, "Trends")
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_text("100 %. 12 of 12 wells")).to_be_visible()
    expect_chart(page)
    lose_workers(server, page)

    page.reload()  # forgets the token
    log_in(page, PASSWORD)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password", exact=True)).to_be_visible()
    (streamlit,) = server.find("fluxsync_main.py")
    assert "GROUNDWATER_SECRET_KEY" not in streamlit.environ()
    assert tab.problems == []


def log_in(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()
    expect_heading(page, name)
    wait_until_run(page)


def upload(page: Page, name: str, content: str) -> None:
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.locator("input[type=file]").set_input_files(t.cast("t.Any", file))
    page.get_by_role("button", name=f"Import {name}").click()


def expect_chart(page: Page) -> None:
    chart = page.get_by_test_id("stVegaLiteChart")
    expect(chart).to_have_count(1)
    eventually(lambda: coloured_pixels(chart) > 300, what="a chart with lines")


def lose_workers(server: Groundwater, page: Page) -> None:
    """Kill the workers while one computes: the page, which goes on, says that the job is lost."""
    slider = page.get_by_role("slider")
    slider.focus()
    slider.press("End")
    expect(page.get_by_test_id("stSliderThumbValue")).to_have_text("30000")  # takes long enough
    page.get_by_role("button", name="Compute").click()
    expect(page.get_by_text("of 12 wells, started by ada")).to_be_visible()
    for worker in server.workers():
        os.kill(worker.pid, signal.SIGKILL)
    database = server.database()
    try:
        with database:
            # It doesn't have to be waited for; a worker that lives would renew it.
            database.execute("UPDATE job SET lease_until = datetime('now', '+2 seconds')")
    finally:
        database.close()
    expect(page.get_by_text("The computation was interrupted.")).to_be_visible()
