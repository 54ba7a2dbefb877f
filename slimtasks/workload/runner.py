"""Runs the steps of a spec against containers of one image, in order."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from itertools import takewhile
from typing import Any

from slimtasks.engine.client import Engine
from slimtasks.engine.config import Port
from slimtasks.engine.container import Container
from slimtasks.engine.failure import Refused
from slimtasks.engine.stopwatch import WORKLOAD
from slimtasks.errors import EngineError, SlimError
from slimtasks.spec.run import Volume
from slimtasks.spec.steps import Oneshot, Step, StructureTest, called
from slimtasks.workload.clock import Clock
from slimtasks.workload.container_config import exposed_ports, used_ports
from slimtasks.workload.failure import PartResult, StepFailed
from slimtasks.workload.health import START, Moment, health_moment, health_step, tried_config
from slimtasks.workload.launcher import Launcher
from slimtasks.workload.reach import reach
from slimtasks.workload.readiness import READY_TIMEOUT, wait_health, wait_opening, wait_ready
from slimtasks.workload.report import StepResult, WorkloadResult, step_title, workload_error
from slimtasks.workload.services import started_services
from slimtasks.workload.target import Target, ending
from slimtasks.workload.trial import Trial, Workload
from slimtasks.workload.unstarted import START_HINT, in_words
from slimtasks.workload.volumes import fresh_volumes

SETTLE = 3.0  # seconds for which a container without a workload is watched once it is ready
DYING = 0.3  # seconds in which a container may follow a step that failed
_UNHEALTHY = "correct the HEALTHCHECK, or give another: `final: {healthcheck: [command]}`, or `drop` for none"
GRACE = 10.0  # seconds from the stop signal to SIGKILL, where the spec has no stop_grace_period


def ignore(_: StepResult) -> None:
    """Nobody wants to hear of single steps."""


def run_workload(
    engine: Engine, launcher: Launcher, workload: Workload, on_step: Callable[[StepResult], None] = ignore
) -> WorkloadResult:
    """Runs all steps; `on_step` hears of each. WorkloadError at the first that does not.

    Steps with containers of their own, before all others, run before the container that the others need is started.
    Where no step starts anything, the container is only started, where the image has a command. Whatever happens, no
    container, network or volume is left.
    """
    clock = Clock(workload.image.trace.timeout)
    first = tuple(takewhile(lambda step: step.alone, workload.steps))
    rest = workload.steps[len(first) :]
    with surrounded(Trial(engine, launcher, workload), clock) as trial:
        results = _attempt_all(trial, first, clock, on_step)
        if not rest and (any(map(_starts, first)) or not _has_command(trial)):
            return WorkloadResult(results)
        with started(trial, clock) as running:
            began = time.monotonic()
            health = _health_moment(running)
            with engine.clock.on(WORKLOAD):
                _await(running, rest, clock, health)
            startup = time.monotonic() - began
            results += _attempt_all(running, rest, clock, on_step)
            with engine.clock.on(WORKLOAD):
                if health == "last":
                    _check_health(running, clock)
                stopped = _stop(running)
    return replace(stopped, steps=results, startup_seconds=round(startup, 3))


@contextmanager
def running(engine: Engine, launcher: Launcher, workload: Workload) -> Iterator[Trial]:
    """The container that the steps need, ready as their first ones wait for it; removed at the end, with all else."""
    clock = Clock(workload.image.trace.timeout)
    with (
        surrounded(Trial(engine, launcher, workload), clock) as trial,
        started(trial, clock) as ready,
    ):
        waits = tuple(takewhile(lambda step: step.kind == "wait", workload.steps))
        _await(ready, workload.steps, clock, "")
        _attempt_all(ready, waits, clock, ignore)
        yield ready


@contextmanager
def surrounded(trial: Trial, clock: Clock) -> Iterator[Trial]:
    """The trial with its volumes, the network that it needs, and its services running; all removed at the end."""
    engine, work = trial.engine, trial.workload
    with fresh_volumes(engine, _volumes(work), work.image_id) as volumes, _network(engine, work) as network:
        trial = replace(trial, volumes=volumes, network=network)
        with started_services(trial, clock) as services:
            yield replace(trial, services=services)


def _attempt_all(
    trial: Trial, steps: tuple[Step, ...], clock: Clock, on_step: Callable[[StepResult], None]
) -> tuple[StepResult, ...]:
    results = []
    for step in steps:
        results.append(_attempt(trial, step, clock, on_step))
    return tuple(results)


def _attempt(trial: Trial, step: Step, clock: Clock, on_step: Callable[[StepResult], None]) -> StepResult:
    began = time.monotonic()
    try:
        if not clock.left():
            raise StepFailed("no time was left for it")
        trial.launcher.step(step.number)
        with trial.engine.clock.on(WORKLOAD):
            parts = trial.attempt(step, min(step.action.timeout, clock.left()))
    except StepFailed as failure:
        on_step(_result(step, began, failure.parts, failed=True))
        failed = _with_ending(failure, trial.target)
        log = trial.target.log() if trial.target else ""
        others = trial.ended_services()
        raise workload_error(step.name, step.where, failed, log, clock.note(), others) from failure
    result = _result(step, began, parts)
    on_step(result)
    return result


def _result(step: Step, began: float, parts: tuple[PartResult, ...], *, failed: bool = False) -> StepResult:
    seconds = round(time.monotonic() - began, 3)
    return StepResult(step.name, step.where, seconds, step_title(step), parts, failed)


def _with_ending(failure: StepFailed, target: Target | None) -> StepFailed:
    """The failure, and that the container has ended meanwhile, which may be its cause."""
    if target and "ended by itself" not in failure.what:
        try:
            with suppress(EngineError):  # EngineTimeout: it runs on
                target.container.wait(timeout=DYING)
            target.must_run()
        except StepFailed as ended:
            failure.what += f"; {ended.what}"
    return failure


@contextmanager
def started(trial: Trial, clock: Clock) -> Iterator[Trial]:
    """The trial with its container running, and the way to it; removed at the end."""
    engine, work = trial.engine, trial.workload
    image_config = tried_config(work.image, _image_config(engine, work.image_id))
    ports = used_ports(work.steps) | exposed_ports(work.image.run, image_config)
    config = replace(
        trial.config(),
        published=tuple(map(Port, sorted(ports))),
        network_aliases=work.image.network_names if trial.network else (),
        log_driver="json-file",
    )
    with ExitStack() as stack:
        try:
            trial.launcher.step(START)
            container = stack.enter_context(trial.launcher.create(config, trial.files()))
            trial.launcher.start(container)
        except Refused as error:
            what = f"the container does not start: {in_words(error.reason)}"
            raise _not_started(trial, StepFailed(what, hint=error.hint or START_HINT), "", clock) from error
        way = stack.enter_context(reach(engine, container, work.tracer_image))
        target = Target(trial.launcher, container, way, image_config)
        yield replace(trial, ports=ports, target=target)


def _await(trial: Trial, steps: tuple[Step, ...], clock: Clock, health: Moment) -> None:
    """Waits until the container can serve, unless the first step says itself what to wait for."""
    target = trial.target
    if target is None or (steps and steps[0].kind == "wait"):
        return
    try:
        if health == "first":
            wait_opening(target, trial.ports)  # so that what the server does to start is not taken for the check's
            trial.launcher.step(health_step(trial.workload.image, trial.workload.steps))
        wait_ready(target, trial.ports, min(READY_TIMEOUT, clock.left()))
        trial.launcher.step(START)
        if steps:
            target.must_run()
        else:
            with suppress(EngineError):  # EngineTimeout: it runs on
                target.container.wait(timeout=SETTLE)
    except StepFailed as failure:
        failure.hint = failure.hint or (_UNHEALTHY if health else "")
        raise _not_started(trial, failure, target.log(), clock) from failure


def _health_moment(trial: Trial) -> Moment:
    assert trial.target is not None
    return health_moment(trial.workload.image, trial.workload.steps, trial.target.image_config)


def _check_health(trial: Trial, clock: Clock) -> None:
    """Runs the HEALTHCHECK after all steps, as the first of them waited for something else."""
    assert trial.target is not None
    trial.launcher.step(health_step(trial.workload.image, trial.workload.steps))
    try:
        wait_health(trial.target, min(READY_TIMEOUT, clock.left()))
    except StepFailed as failure:
        failure.hint = failure.hint or _UNHEALTHY
        others = trial.ended_services()
        log = trial.target.log()
        raise workload_error(_called(trial, "healthcheck"), _place(trial), failure, log, clock.note(), others) from None


def _stop(trial: Trial) -> WorkloadResult:
    """Stops the container by its stop signal, and how that went; a WorkloadError where it had died by itself before."""
    assert trial.target is not None
    container = trial.target.container
    grace = trial.workload.image.run.stop_grace_period
    grace = GRACE if grace is None else grace
    state = _state(container)
    if not state["Running"]:
        if state["ExitCode"]:
            when = "after the last step " if trial.workload.steps else ""
            last = StepFailed(f"{when}the container ended by itself {ending(state)}")
            raise workload_error(_called(trial, "end"), _place(trial), last, trial.target.log())
        return WorkloadResult((), start="" if trial.workload.steps else "exited 0")
    began = time.monotonic()
    container.stop(timeout=math.ceil(grace))
    seconds = time.monotonic() - began
    status = int(_state(container)["ExitCode"])
    killed = status == 137 and seconds >= grace
    start = "" if trial.workload.steps else "stayed up"
    return WorkloadResult((), 0.0, round(seconds, 3), status, killed, start)


def _not_started(trial: Trial, failure: StepFailed, log: str, clock: Clock) -> SlimError:
    others = trial.ended_services()
    return workload_error(_called(trial, "start"), _place(trial), failure, log, clock.note(), others)


def _called(trial: Trial, what: str) -> str:
    return called(what, trial.workload.image.scenario)


def _place(trial: Trial) -> str:
    file, checkout = trial.workload.image.file, trial.engine.checkout
    return str(file.relative_to(checkout) if file.is_relative_to(checkout) else file)


def _state(container: Container) -> dict[str, Any]:
    state: dict[str, Any] = container.inspect()["State"]
    return state


def _image_config(engine: Engine, image_id: str) -> dict[str, Any]:
    found = engine.inspect_image(image_id)
    if not found:
        raise SlimError(f"the image {image_id} has gone from the engine", "run the same command again to load it anew")
    return found.get("Config") or {}


def _has_command(trial: Trial) -> bool:
    run, config = trial.workload.image.run, _image_config(trial.engine, trial.workload.image_id)
    return any((run.entrypoint, run.command, config.get("Entrypoint"), config.get("Cmd")))


def _volumes(workload: Workload) -> tuple[Volume, ...]:
    steps = (step.action for step in workload.steps)
    more = (volume for action in steps if isinstance(action, (Oneshot, StructureTest)) for volume in action.volumes)
    of_services = (volume for service in workload.image.services for volume in service.volumes)
    return (*workload.image.run.volumes, *more, *of_services)


def _network(engine: Engine, workload: Workload) -> AbstractContextManager[str]:
    """A network of our own where containers have to find each other by name."""
    others = workload.image.services or any(step.kind == "client" for step in workload.steps)
    return engine.network() if others else nullcontext("")


def _starts(step: Step) -> bool:
    """Whether the step, one with containers of its own, starts anything of the image."""
    return not isinstance(step.action, StructureTest) or step.action.starts
