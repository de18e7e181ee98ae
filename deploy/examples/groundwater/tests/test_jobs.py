"""Jobs: done, cancelled, failed, lost, and only one at a time."""

from __future__ import annotations

import random
import threading

import pytest
import sqlalchemy as sa

from groundwater import database, jobs, seed
from groundwater.errors import Conflict
from groundwater.models import Job, JobState, Reading, Trend, now

from .conftest import Person, count


def wait_for_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("job-"):
            thread.join(30)
            assert not thread.is_alive()


def state() -> JobState:
    return jobs.latest("test").state


def test_trends(editor: Person) -> None:
    assert editor.send("GET", "/trends/job").status_code == 404
    with database.session(writes=True) as session:
        session.execute(sa.insert(Reading), seed.readings(1, random.Random(1)))
    job = editor.send("POST", "/trends/job", json={"resamples": 50}).get_json()
    wait_for_threads()
    job = editor.send("GET", "/trends/job").get_json()
    assert (job["state"], job["done"], job["total"]) == ("done", 2, 2)
    (trend,) = editor.send("GET", "/trends").get_json()
    assert trend["low"] < trend["slope"] < trend["high"]
    assert editor.send("GET", "/trends.csv").text.splitlines()[1].startswith("Abbey Farm,")
    assert editor.send("DELETE", f"/trends/job/{job['id']}").status_code == 409


@pytest.mark.usefixtures("db")
def test_one_at_a_time_and_cancel() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(progress: jobs.Progress) -> None:
        begun.set()
        assert go_on.wait(30)
        progress.finish(lambda session: session.add(Trend(well_id=1)), "")

    job = jobs.start("test", work, "ada")
    assert begun.wait(30)
    with pytest.raises(Conflict):
        jobs.start("test", work, "bob")
    jobs.cancel(job.id)
    go_on.set()
    wait_for_threads()
    assert state() is JobState.CANCELLED
    assert count(Trend) == 0
    with pytest.raises(Conflict):
        jobs.cancel(job.id)


@pytest.mark.usefixtures("db")
def test_failure_is_shown() -> None:
    def work(progress: jobs.Progress) -> None:
        raise ValueError("no water")

    jobs.start("test", work, "ada")
    wait_for_threads()
    job = jobs.latest("test")
    assert (job.state, job.message) == (JobState.FAILED, "ValueError: no water")


@pytest.mark.usefixtures("db")
def test_lost() -> None:
    """A job whose lease has ended is lost, another can start, and the lost one keeps out."""
    begun, go_on = threading.Event(), threading.Event()
    stopped: list[bool] = []

    def work(progress: jobs.Progress) -> None:
        begun.set()
        assert go_on.wait(30)
        try:
            progress.finish(lambda session: session.add(Trend(well_id=1)), "")
        except jobs.Stopped:
            stopped.append(True)
            raise

    jobs.start("test", work, "ada")
    assert begun.wait(30)
    with database.session(writes=True) as session:
        session.execute(sa.update(Job).values(lease_until=now() - jobs.LEASE))
    assert state() is JobState.LOST
    jobs.start("test", lambda progress: progress.finish(lambda session: None, "fine"), "bob")
    go_on.set()
    wait_for_threads()
    assert stopped
    assert state() is JobState.DONE
    assert count(Trend) == 0
