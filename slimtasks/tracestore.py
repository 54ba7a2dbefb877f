"""An image's own trace: recorded once for the same inputs, and kept in a store by the key that they have."""

from __future__ import annotations

from dataclasses import replace

from slimtasks import fatfiles
from slimtasks.errors import IncompleteTrace, ServiceFailed, WorkloadError
from slimtasks.job import Job
from slimtasks.proving import of_another_machine, teller, workload_on
from slimtasks.records import Fat, has_all_lines
from slimtasks.rootfs import Tree
from slimtasks.sources.tracer import tracer_id
from slimtasks.spec.steps import within
from slimtasks.trace.file import HEALTH, Trace, header_of, read_trace, write_trace
from slimtasks.trace.launcher import TracedLauncher
from slimtasks.trace.named import named
from slimtasks.trace.recording import Backend, Recording
from slimtasks.trace.sidecar import Sidecar
from slimtasks.trace.summary import accesses, programs
from slimtasks.trace.union import of_scenarios
from slimtasks.trace.use_set import UseSet
from slimtasks.tracekey import named_inputs, trace_inputs, trace_key
from slimtasks.workload.health import health_moment, health_step, tried_config
from slimtasks.workload.report import step_title
from slimtasks.workload.runner import run_workload


def own_trace(job: Job) -> tuple[Trace, str]:
    """The trace of all scenarios, and which of them the store had, in words: 'traced before'; '' for none."""
    traces, known = {}, []
    for image in job.image.by_scenario:
        trace, had = _of_scenario(replace(job, image=image))
        inputs = named_inputs(image.scenario, trace.header["inputs"])
        traces[image.scenario] = replace(trace, header={**trace.header, "inputs": inputs})
        known += [image.scenario or "the one without a name"] * had
    all_known = len(known) == len(traces)
    words = "traced before" if all_known else f"{', '.join(known)} traced before" if known else ""
    return of_scenarios(traces), words


def _of_scenario(job: Job) -> tuple[Trace, bool]:
    """The trace of the one that the job's image is started by, and whether the store had it."""
    fat = fatfiles.fat(job.files)
    inputs = trace_inputs(job, fat)
    key = trace_key(inputs)
    stored = job.workspace.trace_store / f"{key}.jsonl"
    known = stored.exists() and has_all_lines(stored)
    if not known:
        try:
            write_trace(stored, _traced(job, fat, {"inputs": inputs, "key": key}))
        except IncompleteTrace as error:
            raise IncompleteTrace(within(job.image.scenario, error.what), error.hint) from error
    return read_trace(stored), known


def _traced(job: Job, fat: Fat, header: dict[str, object]) -> Trace:
    recording, backend = _record(job, fat)
    tree = Tree(fatfiles.inventory(job.files))
    steps = ["start", *(f"{step.number} {step.kind} {step_title(step)}" for step in job.image.workload)]
    steps += [HEALTH] * _has_health_step(job, fat)
    header |= header_of(recording, backend, fat, job.engine.info.kernel, steps)
    uses = UseSet((*recording.uses, *named(job.image.workload)))
    return Trace(header, accesses(uses, tree), programs(uses, recording.facts, tree))


def _has_health_step(job: Job, fat: Fat) -> bool:
    image, config = job.image, tried_config(job.image, fat.config.get("config") or {})
    return bool(health_moment(image, image.workload, config) and health_step(image, image.workload))


def _record(job: Job, fat: Fat) -> tuple[Recording, Backend]:
    tracer, how = tracer_id(job), job.image.trace
    with Sidecar(
        job.engine, tracer, how.backend, lookups=how.lookups, allow_incomplete=how.allow_incomplete
    ) as sidecar:
        launcher = TracedLauncher(job.engine, sidecar)
        workload = workload_on(job, fat.id, job.image.workload, fat_id=fat.id, tracer=tracer, customised=False)
        try:
            run_workload(job.engine, launcher, workload, teller(job))
        except WorkloadError as error:
            if not error.step:  # nothing ran
                what = within(job.image.scenario, error.what)
                raise WorkloadError(f"{job.image.source.where}: from: {what}", error.hint) from error
            raise _untraced(job, fat, error) from error
        return launcher.finish(), sidecar.backend


def _untraced(job: Job, fat: Fat, error: WorkloadError) -> WorkloadError:
    """The error of a workload that failed where nothing is slim yet, which says so."""
    what, hint = "the workload fails on the fat image already, so there is nothing to trace", error.hint
    foreign = of_another_machine(job, fat)
    if isinstance(error, ServiceFailed):
        what, hint = "a service that the workload needs fails, so there is nothing to trace", hint or "see to it first"
    elif foreign:
        what, hint = f"{what}: {foreign.what}", foreign.hint
    return WorkloadError(
        f"{what}\n{error.what}", hint or "make it pass on the image that you build first", step=error.step
    )
