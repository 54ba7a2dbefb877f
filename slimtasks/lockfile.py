"""images/<name>/trace.lock.jsonl: written by `doit lock`, and used instead of tracing where it stands."""

from __future__ import annotations

from typing import Any

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.records import Fat
from slimtasks.spec.host_files import trace_lock
from slimtasks.trace.file import Trace, write_trace
from slimtasks.trace.given import Given, need_complete, read_given
from slimtasks.trace.lock import Contents, Fit, Locked, explained, fit, locked, noted
from slimtasks.tracekey import spec_changes

_OF_HEADER = ("architecture", "backend", "complete", "fat", "incomplete", "inputs", "kernel", "steps", "unseen")


def name_of(job: Job) -> str:
    """The lock as messages call it."""
    return f"images/{job.image.name}/{trace_lock(job.image).name}"


def write_lock(job: Job, trace: Trace) -> tuple[Locked, ...]:
    """Writes the lock of the image's own trace."""
    lines = locked(trace.accesses, _contents(job))
    header = {name: trace.header[name] for name in _OF_HEADER if name in trace.header}
    write_trace(trace_lock(job.image), Trace(header, lines, trace.programs))
    return lines


def locked_trace(job: Job) -> tuple[Trace, str]:
    """The trace that the lock stands for, and what has changed since, in words; SlimError where it does not fit."""
    image, name = job.image, name_of(job)
    given = Given(trace_lock(image), name, f"`doit lock {image.name}` writes it anew")
    header, lines, programs = read_given(given, Locked)
    need_complete(given, header, allowed=image.trace.allow_incomplete)
    contents, fat = _contents(job), fatfiles.fat(job.files)
    found = fit(lines, contents)
    if found.misfits:
        raise _does_not_fit(job, header, fat, found, contents)
    kept = {key: header[key] for key in _OF_HEADER if key in header} | {"fat": fat.tree_digest}
    return Trace(kept, found.accesses, programs), _since(job, header, found)


def _contents(job: Job) -> Contents:
    added = frozenset(addition.entry.path for addition in additions(job.image))
    return Contents.of(fatfiles.inventory(job.files), fatfiles.installed(job.files), added)


def _does_not_fit(job: Job, header: dict[str, Any], fat: Fat, found: Fit, contents: Contents) -> SlimError:
    image = job.image
    paths = {misfit.locked.path for misfit in found.misfits}
    before, now = header.get("architecture"), fat.config.get("architecture")
    where = f" (it was traced on {before}, this image is {now})" if before not in (None, now) else ""
    return SlimError(
        f"{name_of(job)} does not fit this image{where}, which lacks {len(paths)} of the {found.needed} paths "
        f"that it needs\n{explained(found.misfits, contents)}",
        f"`doit lock {image.name}` traces the image as it is now and writes the lock anew; "
        "without that file, it is traced whenever it changes",
    )


def _since(job: Job, header: dict[str, Any], found: Fit) -> str:
    spec = spec_changes(header.get("inputs", {}), job.image)
    changes = [f"changed since: {noted(found.changes)}"] if found.changes else []
    if spec:
        changes.append(f"{' and '.join(spec)} in the spec changed since: `doit lock {job.image.name}` traces that")
    return "; ".join(changes)
