"""lock: the trace as a file to be committed, with which nothing is traced any more."""

from __future__ import annotations

from slimtasks.job import Job
from slimtasks.lockfile import name_of, write_lock
from slimtasks.tracestore import own_trace


def run(job: Job) -> str:
    """Writes images/<name>/trace.lock.jsonl, whatever stands there: of a trace that is made now if there is none."""
    trace, known = own_trace(job)
    lines = write_lock(job, trace)
    paths = {line.path for line in lines if line.type}
    packages = {line.package for line in lines if line.package}
    return f"{name_of(job)}: needs {len(paths)} paths of {len(packages)} packages{f' ({known})' if known else ''}"
