"""The trends, and the job that computes them."""

from __future__ import annotations

from .. import jobs, schemas
from ..models import Role
from ..schemas import JobOut, TrendOut
from ..security import current_user, protected_router
from ..services import readings
from ..services.trends import compute_trends

KIND = "trends"

trends = protected_router("trends", read=Role.VIEWER, write=Role.EDITOR)
routers = (trends,)


@trends.get("/trends")
def list_trends() -> list[TrendOut]:
    """Return the last result."""
    return TrendOut.all_of(readings.trends())


@trends.post("/trends/job", responses={202: JobOut})
def start_job(body: schemas.NewJob) -> tuple[JobOut, int]:
    """Start to compute all trends anew."""

    def work(progress: jobs.Progress) -> None:
        compute_trends(progress, body.resamples)

    return JobOut.of(jobs.start(KIND, work, current_user().name)), 202


@trends.get("/trends/job")
def get_job() -> JobOut:
    """Say how far the latest job is."""
    return JobOut.of(jobs.latest(KIND))


@trends.delete("/trends/job/<int:id>", responses={202: None})
def cancel_job(path: schemas.ById) -> tuple[str, int]:
    """Ask a running job to stop."""
    jobs.cancel(path.id)
    return "", 202
