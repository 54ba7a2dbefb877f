"""verify: the same workload on the result, as a user would run it; an image gets its tags only once it passed."""

from __future__ import annotations

from dataclasses import asdict

from slimtasks import fatfiles
from slimtasks.errors import Damaged, IncompleteTrace, SlimError, WorkloadError
from slimtasks.job import Job
from slimtasks.proving import teller, workload_on
from slimtasks.records import ImagePath, Selected, intact, read_json, read_lines, write_json
from slimtasks.rootfs import Tree
from slimtasks.selection import Missing, missing
from slimtasks.sizes import count
from slimtasks.sources.held import move_tag
from slimtasks.sources.steady import steady
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec import Step
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.sidecar import Sidecar
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.report import WorkloadResult
from slimtasks.workload.runner import run_workload


def run(job: Job) -> str:
    """Writes verify.json and moves the tags."""
    identity = job.built(job.image.name)
    steps = (*job.image.workload, *job.image.checks)
    try:
        result = _verify(job, identity, steps) if steps or job.image.kind == "slim" else WorkloadResult(())
    except WorkloadError as error:
        raise _explained(job, identity, steps, error) from error
    before = _verified(job)
    with steady(job, job.image.tags):
        for tag in job.image.tags:
            move_tag(job, identity, tag, before)
    seconds = sum(step.seconds for step in result.steps)
    write_json(job.files.verify, {"image": identity, "steps": len(steps), "result": asdict(result)})
    if not steps:
        tried = "NOTHING TO VERIFY" if result == WorkloadResult(()) else "ONLY ITS START WAS VERIFIED"
        return f"{tried}: no workload; tagged {', '.join(job.image.tags)}"
    return f"{count(len(steps), 'step')} passed in {seconds:.1f} s; tagged {', '.join(job.image.tags)}"


def _verified(job: Job) -> str:
    """The engine's id of the image that had the tags last; empty where that is not known."""
    path = job.files.verify
    try:
        with intact(path):
            return str(read_json(path)["image"]) if path.exists() else ""
    except Damaged:
        return ""


def _verify(job: Job, identity: str, steps: tuple[Step, ...]) -> WorkloadResult:
    slim = job.image.kind == "slim"
    fat_id = fatfiles.fat(job.files).id if slim else identity
    tracer = tracer_id(job) if slim else ""
    workload = workload_on(job, identity, steps, fat_id=fat_id, tracer=tracer, customised=slim)
    result = run_workload(job.engine, PlainLauncher(job.engine), workload, teller(job))
    grace = job.image.run.stop_grace_period
    if result.killed and grace is None:
        job.say(
            f"ended only when it was killed, {result.stop_seconds:.0f} s after its stop signal: whoever stops it waits "
            "as long; give a STOPSIGNAL that it listens to (`run: stop_signal:`), or `run: init: true`"
        )
    elif result.killed:
        raise WorkloadError(
            f"{job.image.name}: killed, as it did not end within {grace:g} s of its stop signal (stop_grace_period)",
            "give it longer, or another stop_signal",
            step="end",
        )
    return result


def _explained(job: Job, identity: str, steps: tuple[Step, ...], error: WorkloadError) -> SlimError:
    """The error, and what of the fat image the app asked for in vain, which a second, traced run tells."""
    if job.image.kind != "slim" or fatfiles.fat(job.files).whole:
        return error
    job.say("failed: once more, traced, to see what it asks for in vain")
    try:
        lost = _lost(job, identity, steps)
    except SlimError as second:
        more, hint = f"a second, traced run told nothing: {second.what}", error.hint
    else:
        lines = "\n".join(f"    {_line(found)}" for found in lost)
        more = f"asked for in vain, though the fat image has it:\n{lines}"
        hint = f"change {job.image.file.name} as told above"
        if not lost:
            more, hint = "it asked for nothing that the fat image has and this one lacks", error.hint
            if error.step.startswith("check "):
                more += "; nobody has run this check on the fat image: would it pass there?"
    return WorkloadError(f"{error.what}\n  {more}", hint, step=error.step)


def _line(found: Missing) -> str:
    if found.where:
        return f"{found.path}: taken away by {found.line} at {found.where}"
    return f"{found.path}: kept by {found.line}"


def _lost(job: Job, identity: str, steps: tuple[Step, ...]) -> tuple[Missing, ...]:
    lookups = _failed_lookups(job, identity, steps)
    selected = read_lines(job.files.selection, Selected)[1]
    kept = {choice.source or choice.path for choice in selected}
    return missing(lookups, Tree(fatfiles.inventory(job.files)), kept, job.image.drop)


def _failed_lookups(job: Job, identity: str, steps: tuple[Step, ...]) -> list[ImagePath]:
    tracer = tracer_id(job)
    with Sidecar(job.engine, tracer) as sidecar:
        launcher = TracedLauncher(job.engine, sidecar)
        workload = workload_on(job, identity, steps, fat_id=fatfiles.fat(job.files).id, tracer=tracer, customised=True)
        try:
            run_workload(job.engine, launcher, workload)
        except WorkloadError:
            pass  # as expected: it fails as it did before
        try:
            return sorted({ImagePath(use.path) for use in launcher.finish().uses if use.how == "miss"})
        except IncompleteTrace as error:
            raise SlimError(f"the trace is not complete: {error.what}") from error
