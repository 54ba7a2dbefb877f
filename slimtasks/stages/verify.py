"""verify: the same workload on the result, as a user would run it; an image gets its tags only once it passed."""

from __future__ import annotations

from dataclasses import asdict

from slimtasks import fatfiles
from slimtasks.errors import Damaged, WorkloadError
from slimtasks.explaining import explained
from slimtasks.job import Job
from slimtasks.proving import teller, workload_on
from slimtasks.records import intact, read_json, write_json
from slimtasks.sizes import count
from slimtasks.sources.held import move_tag
from slimtasks.sources.steady import steady
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec import Step
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
        if job.image.kind != "slim" or fatfiles.fat(job.files).whole:
            raise
        raise explained(job, identity, error) from error
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
