"""Why a step fails on the slim image: what it asks for in vain, or uses on the fat image and lacks here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.assembly.base_image import base_entries
from slimtasks.errors import IncompleteTrace, SlimError, WorkloadError
from slimtasks.job import Job
from slimtasks.proving import workload_on
from slimtasks.records import ImagePath, Selected, read_lines
from slimtasks.rootfs import Tree
from slimtasks.selection import Missing, missing
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec import Image, Step
from slimtasks.trace.file import read_trace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.named import named
from slimtasks.trace.sidecar import Sidecar
from slimtasks.trace.union import steps_of
from slimtasks.workload.runner import run_workload

MOST = 20  # lines


@dataclass(frozen=True)
class Cause:
    """Why a step fails, in words, and the paths that it lacks, where that is why."""

    text: str
    hint: str = ""
    lost: tuple[Missing, ...] = ()


def explained(job: Job, identity: str, error: WorkloadError) -> WorkloadError:
    """The error with its cause, as far as traced runs tell: of the slim image `identity`, then of the fat one."""
    cause = cause_of(job, identity, error)
    return WorkloadError(f"{error.what}\n  {cause.text}", cause.hint or error.hint, step=error.step)


def cause_of(job: Job, identity: str, error: WorkloadError) -> Cause:
    """The cause of the error; its runs are of the one scenario that the job's image is started by."""
    try:
        return _cause(job, identity, error)
    except SlimError as second:
        return Cause(f"a second, traced run told nothing: {second.what}")


def _cause(job: Job, identity: str, error: WorkloadError) -> Cause:
    job.say("failed: once more, traced, to see what it asks for in vain")
    misses, _ = _traced(job, identity, job.image.steps, misses=True)
    asked = {ImagePath(use.path) for use in named(job.image.steps)} | asked_by_engine(error.what)
    lost = _lost(job, misses | asked, in_vain=True)
    if lost:
        return _listed("asked for in vain, though the fat image has it", lost, job)
    # Who lists a directory and finds a name lacking does not ask for it: Python's imports, the globs of a shell.
    lost = _lost(job, _used(job), in_vain=False)
    if lost:
        return _listed("used on the fat image, and not in this one", lost, job)
    return _of_fat(job, error.step)


def asked_by_engine(said: str) -> set[ImagePath]:
    """What the engine looked a user or group up in, in vain, before there was a container to watch."""
    found = re.search(r"unable to find (?:user|group) .*: no matching entries in (passwd|group) file", said)
    return {ImagePath(f"/etc/{found[1]}")} if found else set()


def _used(job: Job) -> set[ImagePath]:
    """What this scenario used when it was traced."""
    trace = read_trace(job.files.trace)
    scenarios = (one.scenario for one in job.images[job.image.name].by_scenario)
    mine = steps_of(job.image.scenario, scenarios, trace.header["steps"])
    return {access.path for access in trace.accesses if access.how != "miss" and mine & set(access.steps)}


def _of_fat(job: Job, step: str) -> Cause:
    """As `_cause`, where nothing is asked for in vain: what the fat image has for it, which no trace may have seen."""
    job.say(f"nothing: now {step} on the fat image, traced, to see what it uses there")
    uses, failed = _traced(job, fatfiles.fat(job.files).id, _until(step, job.image), misses=False)
    if failed is not None:
        if failed.step == step:
            return Cause("it fails on the fat image, too", f"correct the {_sort(step)}, or the image that you build")
        return Cause(f"on the fat image {failed.step} fails before it, though it passes on the slim one")
    lost = _lost(job, uses, in_vain=False)
    if lost:
        return _listed("it passes on the fat image, which has", lost, job)
    return Cause("it passes on the fat image, and uses nothing there that this one lacks")


def _until(step: str, image: Image) -> tuple[Step, ...]:
    """The steps up to that one; the whole workload for what is none, as the start."""
    names = [one.name for one in image.steps]
    return image.steps[: names.index(step) + 1] if step in names else image.workload


def _sort(step: str) -> str:
    return step.split()[0] if step.startswith(("step", "check")) else "spec"


def _listed(what: str, lost: tuple[Missing, ...], job: Job) -> Cause:
    lines = [f"    {found.path}: {found.advice}" for found in lost[:MOST]]
    if len(lost) > MOST:
        lines.append(f"    and {len(lost) - MOST} more")
    return Cause("\n".join([f"{what}:", *lines]), f"change {job.image.file.name} as told above", lost)


def _lost(job: Job, asked: Iterable[ImagePath], *, in_vain: bool) -> tuple[Missing, ...]:
    """What of these paths the fat image has and the slim one lacks."""
    selected = read_lines(job.files.selection, Selected)[1]
    kept = {choice.source or choice.path for choice in selected}
    kept.update(entry.path for entry in (*base_entries(job), *(added.entry for added in additions(job.image))))
    tree, toml = Tree(fatfiles.inventory(job.files)), job.image.file.suffix == ".toml"
    return missing(sorted(asked), tree, kept, job.image.drop, in_vain=in_vain, toml=toml)


def _traced(
    job: Job, image_id: str, steps: tuple[Step, ...], *, misses: bool
) -> tuple[set[ImagePath], WorkloadError | None]:
    """The paths that the steps ask for in vain, or all others that they use; and how they fail, if they do."""
    fat_id, tracer, failed = fatfiles.fat(job.files).id, tracer_id(job), None
    workload = workload_on(job, image_id, steps, fat_id=fat_id, tracer=tracer, customised=image_id != fat_id)
    with Sidecar(job.engine, tracer) as sidecar:
        launcher = TracedLauncher(job.engine, sidecar)
        try:
            run_workload(job.engine, launcher, workload)
        except WorkloadError as error:
            failed = error
        try:
            uses = (*launcher.finish().uses, *named(steps))
        except IncompleteTrace as error:
            raise SlimError(f"the trace is not complete: {error.what}") from error
    return {ImagePath(use.path) for use in uses if (use.how == "miss") == misses}, failed
