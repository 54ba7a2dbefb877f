"""Starts the services of a spec before the image under test, and waits until they can serve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from slimtasks.engine.failure import EngineTimeout, Refused
from slimtasks.errors import ServiceFailed
from slimtasks.spec.run import Run
from slimtasks.spec.service import Service
from slimtasks.workload.clock import Clock
from slimtasks.workload.container_config import container_config, exposed_ports
from slimtasks.workload.failure import StepFailed
from slimtasks.workload.health import NANOSECONDS, with_check
from slimtasks.workload.other_hosts import HINT
from slimtasks.workload.others import other_image
from slimtasks.workload.plain import PlainLauncher
from slimtasks.workload.reach import reach
from slimtasks.workload.readiness import health_command, wait_ready
from slimtasks.workload.report import workload_error
from slimtasks.workload.target import Running, Target, ending
from slimtasks.workload.trial import Trial
from slimtasks.workload.unstarted import START_HINT, in_words

READY_TIMEOUT = 60.0  # seconds, longer than for the image under test: a database makes its files first
_READY = "ready"  # the condition where the spec says none: as the HEALTHCHECK tells, or else the exposed ports
_DONE = "service_completed_successfully"


@contextmanager
def started_services(trial: Trial, clock: Clock) -> Iterator[tuple[Running, ...]]:
    """Starts each once those that it depends on are as far as it says, waits for all, and removes them at the end.

    ServiceFailed, with the service's place in the spec and its log, where one does not start or get ready.
    """
    services = trial.workload.image.services
    running: dict[str, Running] = {}
    with ExitStack() as stack:
        for service in services:
            _meet([(other.name, other.condition) for other in service.depends_on], running, clock)
            try:
                target = stack.enter_context(_started(trial, service))
            except StepFailed as failure:
                raise _failed(service, failure, "", clock) from failure
            running[service.name] = Running(service, target)
        _meet(_awaited(trial.workload.image.run, services), running, clock)
        yield tuple(running.values())


@contextmanager
def _started(trial: Trial, service: Service) -> Iterator[Target]:
    engine, work = trial.engine, trial.workload
    image_id = other_image(engine, work.image, work.others, service.image)
    config = container_config(service, work.image.file, image_id, trial.volumes, work.environ)
    config = replace(
        config, network=trial.network, network_aliases=(service.name, *service.aliases), log_driver="json-file"
    )
    launcher = PlainLauncher(engine)
    with launcher.create(config, trial.volumes.files(service.volumes, b"")) as container:
        try:
            launcher.start(container)
        except Refused as error:
            raise StepFailed(f"the container does not start: {in_words(error.reason)}", hint=error.hint) from error
        with reach(engine, container, work.tracer_image) as way:
            found = (engine.inspect_image(image_id) or {}).get("Config") or {}
            yield Target(launcher, container, way, with_check(found, service.healthcheck))


def _awaited(run: Run, services: Sequence[Service]) -> list[tuple[str, str]]:
    """How far each service has to be before the image under test starts: (name, condition)."""
    ends = {other.name for one in services for other in one.depends_on if other.condition == _DONE}
    said = {one.name: one.condition for one in run.depends_on}
    return [(one.name, said.get(one.name) or (_DONE if one.name in ends else _READY)) for one in services]


def _meet(wanted: Iterable[tuple[str, str]], running: Mapping[str, Running], clock: Clock) -> None:
    """Waits until each is as far as its condition says."""
    for name, condition in wanted:
        service, target = running[name].service, running[name].target
        try:
            if condition == _DONE:
                _wait_done(target, clock.left())
            elif condition != "service_started":
                _wait_ready(service, target, clock.left(), healthy=condition != _READY)
        except StepFailed as failure:
            raise _failed(service, failure, target.log(), clock) from failure


def _wait_ready(service: Service, target: Target, left: float, *, healthy: bool) -> None:
    if healthy and not health_command(target.image_config):
        what = "something depends on it as service_healthy, and it has no HEALTHCHECK"
        raise StepFailed(what, hint=f"give services.{service.name} a `healthcheck: {{test: ...}}`")
    check = target.image_config.get("Healthcheck") or {}
    allowed = check.get("Interval", 0) / NANOSECONDS * check.get("Retries", 0)
    try:
        wait_ready(target, exposed_ports(service, target.image_config), min(left, max(READY_TIMEOUT, allowed)))
        target.must_run()
    except StepFailed as failure:
        name = service.name
        if failure.what.endswith("with exit status 0"):
            failure.hint = "for one that has to end first: `run: depends_on:` with service_completed_successfully"
        elif target.container.running():
            failure.hint = (
                f"give it what it waits for; or say what shows that it is ready: `healthcheck:` of services.{name}, or "
                f"`run: depends_on: {{{name}: {{condition: service_started}}}}` for one that need not be"
            )
        elif failure.hint == START_HINT:
            failure.hint = f"see `image:` and `command:` of services.{name}"
        elif failure.hint != HINT:
            failure.hint = f"its last words may say why; services.{name} holds how it is started"
        raise


def _wait_done(target: Target, left: float) -> None:
    try:
        target.container.wait(timeout=left)
    except EngineTimeout:
        raise StepFailed(f"it has not ended after {left:.0f} s") from None
    state = target.container.inspect()["State"]
    if state["ExitCode"]:
        raise StepFailed(f"it ended {ending(state)}")


def _failed(service: Service, failure: StepFailed, log: str, clock: Clock) -> ServiceFailed:
    error = workload_error(f"service {service.name}", service.where, failure, log, clock.note())
    return ServiceFailed(error.what, error.hint, step=error.step)
