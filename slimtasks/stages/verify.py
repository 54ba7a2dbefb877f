"""verify: the same workload on the result, as a user would run it; an image gets its tags only once it passed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from slimtasks import fatfiles
from slimtasks.compose_override import compose_override
from slimtasks.errors import Damaged, ServiceFailed, SlimError, WorkloadError
from slimtasks.explaining import explained
from slimtasks.job import Job
from slimtasks.junit import Suite, document, suite
from slimtasks.proving import teller, workload_on
from slimtasks.records import intact, read_json, whole_file, write_json
from slimtasks.sizes import count
from slimtasks.sources.foreign import pulled_digest
from slimtasks.sources.held import move_tag
from slimtasks.sources.steady import steady
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec.host_files import other_foreign
from slimtasks.spec.steps import called, within
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.report import StepResult, WorkloadResult
from slimtasks.workload.runner import run_workload


def run(job: Job) -> str:
    """Writes verify.json and junit.xml, this one also where it fails, moves the tags, and tells Compose of them."""
    job.files.junit.unlink(missing_ok=True)
    identity = job.built(job.image.name)
    suites: list[Suite] = []
    try:
        results = {
            image.scenario: _told(replace(job, image=image), identity, suites) for image in job.image.by_scenario
        }
    finally:
        with whole_file(job.files.junit) as file:
            file.write(document(suites))
    before = _verified(job)
    with steady(job, job.image.tags):
        for tag in job.image.tags:
            move_tag(job, identity, tag, before)
    override = compose_override(job.image)
    if override:
        with whole_file(job.files.compose_override) as file:
            file.write(override.encode())
    steps = [step for result in results.values() for step in result.steps]
    told = [{"scenario": name, **asdict(result)} for name, result in results.items()]
    others = other_foreign(job.image, job.image.all_steps(checks=True))
    beside = {name: pulled_digest(job, name) for name in others}
    write_json(job.files.verify, {"image": identity, "steps": len(steps), "beside": beside, "results": told})
    tagged = f"tagged {', '.join(job.image.tags)}"
    if not steps:
        return f"{_tried(results.values(), slim=job.image.kind == 'slim')}; {tagged}"
    several = f" of {len(results)} scenarios" if len(results) > 1 else ""
    started = [name for name, result in results.items() if result.start]
    only = f"; NO WORKLOAD OF {', '.join(started)}: ONLY THE START WAS VERIFIED" if started else ""
    return f"{count(len(steps), 'step')}{several} passed in {sum(step.seconds for step in steps):.1f} s{only}; {tagged}"


def _told(job: Job, identity: str, suites: list[Suite]) -> WorkloadResult:
    """As `_verify`; what came of it is added to the suites."""
    done: list[StepResult] = []
    try:
        result = _verify(job, identity, done)
    except SlimError as error:
        suites.append(suite(job.image, done, 0.0, str(error)))
        raise
    suites.append(suite(job.image, done, result.startup_seconds))
    return result


def _tried(results: Iterable[WorkloadResult], *, slim: bool) -> str:
    """What was proved without any step."""
    starts = dict.fromkeys(result.start for result in results if result.start)
    if starts:
        return f"NO WORKLOAD, ONLY ITS START WAS VERIFIED: it {' and '.join(starts)}"
    return "NO WORKLOAD AND NO COMMAND: NOTHING WAS VERIFIED" if slim else "nothing to verify"


def _verified(job: Job) -> str:
    """The engine's id of the image that had the tags last; empty where that is not known."""
    path = job.files.verify
    try:
        with intact(path):
            return str(read_json(path)["image"]) if path.exists() else ""
    except Damaged:
        return ""


def _verify(job: Job, identity: str, done: list[StepResult]) -> WorkloadResult:
    """How the scenario went that the job's image is started by; WorkloadError, with its cause, where it did not.

    `done` gets the steps as they end.
    """
    slim = job.image.kind == "slim"
    if not slim and not job.image.steps:
        return WorkloadResult(())
    try:
        return attempt(job, identity, done)
    except ServiceFailed:  # of which no file of this image is the cause
        raise
    except WorkloadError as error:
        if not slim or fatfiles.fat(job.files).whole:
            raise
        raise explained(job, identity, error) from error


def attempt(job: Job, identity: str, done: list[StepResult]) -> WorkloadResult:
    """As `_verify`, without the cause."""
    slim = job.image.kind == "slim"
    fat_id = fatfiles.fat(job.files).id if slim else identity
    tracer = tracer_id(job) if slim else ""
    workload = workload_on(job, identity, job.image.steps, fat_id=fat_id, tracer=tracer, customised=slim)
    tell = teller(job)

    def on_step(step: StepResult) -> None:
        done.append(step)
        tell(step)

    result = run_workload(job.engine, PlainLauncher(job.engine), workload, on_step)
    grace = job.image.run.stop_grace_period
    if result.killed and grace is None:
        what = (
            f"ended only when it was killed, {result.stop_seconds:.0f} s after its stop signal: whoever stops it waits "
            "as long; give a STOPSIGNAL that it listens to (`run: stop_signal:`), or `run: init: true`"
        )
        job.say(within(job.image.scenario, what))
    elif result.killed:
        what = f"killed, as it did not end within {grace:g} s of its stop signal (stop_grace_period)"
        raise WorkloadError(
            f"{job.image.name}: {within(job.image.scenario, what)}",
            "give it longer, or another stop_signal",
            step=called("end", job.image.scenario),
        )
    return result
