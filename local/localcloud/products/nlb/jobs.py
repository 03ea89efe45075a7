"""Asynchronous tasks, which the actions that change something return."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

from localcloud.products.lookup import Lookup
from localcloud.requests.actions import Answer, Call, action

from .entities import NlbJob

_find: Final = Lookup(NlbJob, "job", "ResourceNotFound.JobId")


def begin(call: Call, name: str, seconds: float = 1.0) -> str:
    """Begin a task that is Processing for some seconds and then Succeeded, and return its id."""
    job = NlbJob(
        id=str(uuid.uuid4()),
        action=name,
        created=call.now,
        life=call.passing(("Processing", seconds), to="Succeeded"),
    )
    return call.store.put(job).id


@dataclass(frozen=True, kw_only=True)
class GetJobStatus:
    """Parameters of GetJobStatus."""

    job_id: str


@action()
def get_job_status(call: Call, request: GetJobStatus) -> Answer:
    """Report Processing or Succeeded. A task never fails, since errors are reported at once."""
    job = _find(call, request.job_id)
    return {"Status": job.life.at(call.now)}


@dataclass(frozen=True, kw_only=True)
class ListAsynJobs:
    """Parameters of ListAsynJobs."""

    job_ids: tuple[str, ...]


@action()
def list_asyn_jobs(call: Call, request: ListAsynJobs) -> Answer:
    """List the tasks with these ids. Unknown ids are left out."""
    jobs = [job for i in request.job_ids if (job := call.store.find(NlbJob, i)) is not None]
    return {
        "Jobs": [{"Id": job.id, "Status": job.life.at(call.now)} for job in jobs],
        "TotalCount": str(len(jobs)),
    }
