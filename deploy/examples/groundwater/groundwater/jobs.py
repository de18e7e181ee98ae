"""Long work, in a thread of whichever worker got the request, told of in the database.

Every worker can show and cancel it there. A job that's at work renews a lease; a worker that was
killed doesn't, and who looks next marks the job as lost.
"""

from __future__ import annotations

import logging
import threading
import time
import typing as t
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from . import database
from .errors import Conflict, NotThere
from .models import Job, JobState, now

logger = logging.getLogger(__name__)

#: A job that hasn't reported for so long counts as lost. Steps must be much shorter.
LEASE = timedelta(seconds=30)
RENEWED_EVERY_SECONDS = 1.0


class Stopped(Exception):
    """The job isn't to go on: it was cancelled, or counts as lost."""


class Progress:
    """What a job's work tells of itself. Only the job's thread uses it."""

    def __init__(self, job_id: int) -> None:
        self._is_mine = sa.and_(Job.id == job_id, Job.state == JobState.RUNNING)
        self._done, self._total = 0, 0
        self._renewed = 0.0

    def report(self, done: int, total: int) -> None:
        """Say how much is done.

        :raise Stopped: Don't go on.
        """
        self._done, self._total, self._renewed = done, total, 0.0
        self.renew()

    def renew(self) -> None:
        """Say that the work goes on. Cheap, as it writes once per second at most.

        :raise Stopped: Don't go on.
        """
        if time.monotonic() - self._renewed < RENEWED_EVERY_SECONDS:
            return
        self._write({"done": self._done, "total": self._total, "lease_until": now() + LEASE})
        self._renewed = time.monotonic()

    def finish(self, keep: Callable[[Session], None], message: str) -> None:
        """Keep the result and mark the job as done: both or neither."""
        end = {"state": JobState.DONE, "running": None, "done": self._total, "message": message}
        self._write(end, keep)

    def fail(self, message: str) -> None:
        """Mark the job as failed."""
        self._write({"state": JobState.FAILED, "running": None, "message": message[:500]})

    def _write(
        self, values: dict[str, t.Any], keep: Callable[[Session], None] | None = None
    ) -> None:
        with database.session(writes=True) as session:
            # Locks the row, too: nobody can cancel what's just being finished.
            going_on = sa.update(Job).where(self._is_mine, sa.not_(Job.is_cancelling))
            if session.scalar(going_on.values(values).returning(Job.id)):
                if keep:
                    keep(session)
                return
            end = {"state": JobState.CANCELLED, "running": None, "message": ""}
            session.execute(sa.update(Job).where(self._is_mine).values(end))
        raise Stopped


def start(kind: str, work: Callable[[Progress], None], by: str) -> Job:
    """Start a job and return at once.

    :param work: Calls ``finish()`` of what it's given at its end.
    :raise Conflict: One of the kind runs, started here or by another worker.
    """
    with database.session(writes=True) as session:
        _mark_lost(session)
    job = Job(kind=kind, running=kind, started_by=by, lease_until=now() + LEASE)
    try:
        with database.session(writes=True) as session:
            session.add(job)
    except sa.exc.IntegrityError:
        raise Conflict("It is being computed already.") from None
    # A daemon: a worker that is to end doesn't wait for it. The job is lost then, and says so.
    threading.Thread(target=_run, args=(job.id, work), name=f"job-{job.id}", daemon=True).start()
    return job


def _run(job_id: int, work: Callable[[Progress], None]) -> None:
    progress = Progress(job_id)
    try:
        work(progress)
    except Stopped:
        logger.info("job %d was stopped", job_id)
    except Exception as e:
        logger.exception("job %d failed", job_id)
        try:
            progress.fail(f"{type(e).__name__}: {e}")
        except Exception:
            logger.exception("couldn't say that job %d failed", job_id)


def latest(kind: str) -> Job:
    """Return the job of a kind that was started last.

    :raise NotThere: There was none.
    """
    newest = sa.select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(1)
    with database.session() as session:
        job = session.scalar(newest)
        if job is None:
            raise NotThere("Nothing was computed yet.")
    if job.state is not JobState.RUNNING or job.lease_until > now():
        return job
    with database.session(writes=True) as session:
        _mark_lost(session)
        return session.scalars(newest).one()


def cancel(job_id: int) -> None:
    """Ask a job to stop.

    :raise Conflict: It doesn't run.
    """
    running = sa.update(Job).where(Job.id == job_id, Job.state == JobState.RUNNING)
    with database.session(writes=True) as session:
        if not session.scalar(running.values(is_cancelling=True).returning(Job.id)):
            raise Conflict("The job doesn't run any more.")


def _mark_lost(session: Session) -> None:
    overdue = sa.update(Job).where(Job.state == JobState.RUNNING, Job.lease_until < now())
    session.execute(
        overdue.values(state=JobState.LOST, running=None, message="Its worker ended. Start again.")
    )
