"""The pages, with the API behind them, in this process."""

from __future__ import annotations

import random
import typing as t

import pytest
import sqlalchemy as sa
from fluxsync.testing import FluxSyncTestClient, assert_no_streamlit_exception

from groundwater import database, seed
from groundwater.app import app
from groundwater.jobs import LEASE
from groundwater.models import Job, JobState, Reading, now

from .conftest import PASSWORD, Person, count


def visit(person: Person | None = None, **query: t.Any) -> t.Any:
    state = {"token": person.token} if person else {}
    return FluxSyncTestClient(app).streamlit(session_state=state, query_params=query)


def click(at: t.Any, label: str) -> None:
    (button,) = (button for button in at.button if button.label == label)
    button.click().run()


@pytest.mark.usefixtures("db")
def test_login_and_logout() -> None:
    at = visit()
    at.text_input(key="login-name").input("the-viewer")
    at.text_input(key="login-password").input("wrong")
    click(at, "Log in")
    assert at.error[0].value == r"Name or password is wrong\."
    at.text_input(key="login-password").input(PASSWORD)
    click(at, "Log in")
    assert_no_streamlit_exception(at)
    assert at.title[0].value == "Water levels"
    assert at.sidebar.text[0].value == "the-viewer, viewer"
    token = at.session_state["token"]
    assert "login-password" not in at.session_state
    click(at, "Log out")
    assert at.title[0].value == "Groundwater"
    assert Person(token).send("GET", "/me").status_code == 401


def test_pages_say_who_may(viewer: Person) -> None:
    for page, role in (("/files", "editor"), ("/users", "admin")):
        at = visit(viewer, page=page)
        assert at.info[0].value == f"This page is for the role {role}. Yours is viewer."
        assert not at.subheader
    at = visit(viewer, page="/readings")
    assert [button.label for button in at.button] == ["Log out"]


def test_ended_session_asks_to_log_in(viewer: Person) -> None:
    at = visit(viewer)
    viewer.send("POST", "/logout")
    at.run()
    assert "has ended" in at.error[0].value
    assert "token" not in at.session_state


def test_link_chooses_wells(viewer: Person) -> None:
    with database.session(writes=True) as session:
        session.execute(sa.insert(Reading), seed.readings(2, random.Random(1)))
    at = visit(viewer, well=["Birch Lane", "![](x)"], since="2020-01-01")
    assert_no_streamlit_exception(at)
    assert at.multiselect(key="wells").value == ["Birch Lane"]
    assert str(at.date_input(key="since").value) == "2020-01-01"
    assert at.metric[0].label == "Birch Lane"
    at.multiselect(key="wells").select("Abbey Farm").run()
    assert at.query_params["well"] == ["Birch Lane", "Abbey Farm"]
    for bad in ("yesterday", "0001-01-01", "9999-12-31"):
        assert visit(viewer, since=bad).error


def test_form_shows_what_is_wrong(editor: Person) -> None:
    at = visit(editor, page="/readings")
    click(at, "Add")
    assert "**Level in metres**" in at.error[0].value
    at.number_input(key="new-level_m").set_value(81.5)
    at.text_input(key="new-note").input("<b>![](http://x)")
    click(at, "Add")
    assert_no_streamlit_exception(at)
    assert at.success
    assert at.dataframe[0].value["Note"][0] == "<b>![](http://x)"
    assert at.number_input(key="new-level_m").value is None
    click(at, "Add")
    assert "Level" in at.error[0].value


def test_two_editors_in_pages(editor: Person) -> None:
    reading = {"well_id": 1, "taken_on": "2024-05-01", "level_m": 81.25}
    editor.send("POST", "/readings", json=reading)
    one, two = visit(editor, page="/readings"), visit(editor, page="/readings")
    for at, level in ((one, 80.0), (two, 79.0)):
        at.number_input(key="1-1-level_m").set_value(level)
        click(at, "Save")
    assert one.success
    assert "Look at it again" in two.error[0].value
    assert two.number_input(key="1-2-level_m").value == 80.0
    click(two, "Delete")
    assert count(Reading) == 0


def test_upload_report(editor: Person) -> None:
    at = visit(editor, page="/files")
    content = b"well,taken_on,level_m\nNowhere,2024-01-01,1\n"
    at.file_uploader(key="upload").upload("a.csv", content, "text/csv").run()
    click(at, r"Import a\.csv")
    assert "Nothing was imported" in at.error[0].value
    assert list(at.dataframe[0].value["Where"]) == ["line 2"]


@pytest.mark.parametrize(
    ("state", "lease", "shown"),
    [
        (JobState.RUNNING, LEASE, "Cancel"),
        (JobState.RUNNING, -LEASE, "The computation was interrupted."),
        (JobState.FAILED, LEASE, "The computation has failed."),
    ],
)
def test_job(editor: Person, state: JobState, lease: t.Any, shown: str) -> None:
    with database.session(writes=True) as session:
        job = Job(kind="trends", running="trends", state=state, started_by="ada")
        job.lease_until = now() + lease
        session.add(job)
    at = visit(editor, page="/trends")
    assert_no_streamlit_exception(at)
    labels = [*(button.label for button in at.button), *(w.value for w in at.warning)]
    assert shown in labels


def test_admin_makes_users(admin: Person) -> None:
    at = visit(admin, page="/users")
    at.text_input(key="new-name").input("Eve Smith")
    at.text_input(key="new-password").input("short")
    click(at, "Add")
    assert "**Name**" in at.error[0].value
    assert "**Password**" in at.error[0].value
    at.text_input(key="new-name").input("eve")
    at.text_input(key="new-password").input(PASSWORD)
    click(at, "Add")
    assert_no_streamlit_exception(at)
    assert "eve" in list(at.dataframe[0].value["Name"])
    at.selectbox(key="id").set_value(2)
    at.selectbox(key="role").set_value("viewer")
    click(at, "Change")
    assert_no_streamlit_exception(at)
    assert list(at.dataframe[0].value["Role"]).count("viewer") == 3
