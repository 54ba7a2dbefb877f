"""trace: what the image uses while its workload runs."""

from __future__ import annotations

from collections import Counter

from slimtasks.elsewhere import with_others
from slimtasks.job import Job
from slimtasks.lockfile import locked_trace
from slimtasks.spec.host_files import trace_lock
from slimtasks.trace.file import Trace, idle, write_trace
from slimtasks.tracestore import own_trace


def run(job: Job) -> str:
    """Writes trace.jsonl: the lock's where there is one, the store's where the same was traced before; and others."""
    lock = trace_lock(job.image)
    if lock.is_file():
        trace, changes = locked_trace(job)
        origin = f"{_sources(job, trace)}, from {lock.name}{'; ' * bool(changes)}{changes}"
    else:
        trace, known = own_trace(job)
        origin = f"{_sources(job, trace)}{f' ({known})' if known else ''}"
    trace, others = with_others(job, trace)
    write_trace(job.files.trace, trace)
    for note in trace.notes:
        job.note(note)
    counts = Counter(access.how for access in trace.accesses)
    found = ", ".join(f"{count} {how}" for how, count in counts.most_common(6))
    return "; ".join((found, origin, *others))


def _sources(job: Job, trace: Trace) -> str:
    backend = trace.header["backend"]
    lookups = "LOOKUPS NOT SEEN" if "none" in backend["lookups"] else backend["lookups"]
    lacks = ["LOOKUPS AFTER STEP 0 NOT SEEN"] * (job.image.trace.lookups == "startup" and lookups == backend["lookups"])
    lacks += ["NOT COMPLETE"] * (not trace.header["complete"]) + ["NO WORKLOAD"] * bool(idle(trace.header))
    return ", ".join([backend["opens"], lookups, *lacks])
