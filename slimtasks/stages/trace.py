"""trace: what the image uses while its workload runs."""

from __future__ import annotations

import shutil
from collections import Counter

from slimtasks import fatfiles
from slimtasks.errors import WorkloadError
from slimtasks.job import Job
from slimtasks.proving import teller, workload_on
from slimtasks.records import Access, Fat, has_all_lines, read_lines, whole_file, write_lines
from slimtasks.sources.tracer import tracer_id
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar
from slimtasks.tracekey import trace_key
from slimtasks.workload.runner import run_workload


def run(job: Job) -> str:
    """Writes trace.jsonl: the store's, where the same was traced before."""
    fat = fatfiles.fat(job.files)
    key = trace_key(job, fat)
    stored = job.workspace.trace_store / f"{key}.jsonl"
    known = stored.exists() and has_all_lines(stored)
    if not known:
        if not job.image.workload:
            job.say("NO WORKLOAD: ONLY THE START OF THE CONTAINER IS TRACED")
        header = {"key": key, "fat": fat.tree_digest, "kernel": job.engine.info.kernel, "complete": True}
        accesses = _trace(job, fat)
        sources = sorted({access.source for access in accesses})
        write_lines(stored, {**header, "sources": sources}, accesses)
    with stored.open("rb") as source, whole_file(job.files.trace) as target:
        shutil.copyfileobj(source, target)
    counts = Counter(access.how for access in read_lines(stored, Access)[1])
    found = ", ".join(f"{count} {how}" for how, count in counts.most_common())
    return f"{found}{' (traced before)' if known else ''}"


def _trace(job: Job, fat: Fat) -> tuple[Access, ...]:
    tracer = tracer_id(job)
    with Sidecar(job.engine, tracer) as sidecar:
        launcher = TracedLauncher(job.engine, sidecar)
        workload = workload_on(job, fat.id, job.image.workload, fat_id=fat.id, tracer=tracer, customised=False)
        try:
            run_workload(job.engine, launcher, workload, teller(job))
        except WorkloadError as error:
            if not error.step:  # nothing ran
                raise WorkloadError(f"{job.image.name}: {error.what}", error.hint) from error
            raise WorkloadError(
                f"the workload fails on the fat image already, so there is nothing to trace\n{error.what}",
                error.hint or "make it pass on the image that you build first",
                step=error.step,
            ) from error
        return launcher.finish().accesses
