"""What a trace depends on: two images, or scenarios, with the same key are traced once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from slimtasks.fingerprint import digest_of, digest_of_file
from slimtasks.job import Job
from slimtasks.proving import other_ids
from slimtasks.records import Fat
from slimtasks.spec import Image
from slimtasks.spec.host_files import add_files, host_files, mounted_files
from slimtasks.spec.run import Run, Volume
from slimtasks.spec.steps import Oneshot, Pytest, Step, StructureTest
from slimtasks.trace.tracer_image import sources_digest
from slimtasks.workload.health import health_moment, tried_config

_RUNNING = (
    "Env",
    "Cmd",
    "Entrypoint",
    "User",
    "WorkingDir",
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
    "StopSignal",
    "Shell",
)
_OF_SPEC = frozenset({"add", "run", "workload", "volumes", "trace", "services", "healthcheck"})  # that the spec tells
_OF_SCENARIO = frozenset({"run", "workload", "volumes", "clients", "healthy"})  # that each scenario has for itself


def trace_key(inputs: Mapping[str, str]) -> str:
    """Names what `trace_inputs` tells."""
    return digest_of(sorted(inputs.items()))


def trace_inputs(job: Job, fat: Fat) -> dict[str, str]:
    """All that decides what a traced run uses, of one scenario: name to digest.

    Never a path of this machine, nor the value of a variable taken from the caller.
    """
    image = job.image
    config = fat.config.get("config") or {}
    return {
        "image": fat.tree_digest,
        "config": digest_of({name: config.get(name) for name in _RUNNING}),
        **_health_inputs(image, config),
        "architecture": digest_of(fat.config.get("architecture"), fat.config.get("variant")),
        "clients": digest_of(sorted(other_ids(job, image.workload).items())),
        "backends": sources_digest(),
        **_spec_inputs(image),
    }


def spec_changes(before: Mapping[str, str], image: Image) -> list[str]:
    """What the spec says otherwise since a trace of all scenarios had these inputs; nothing where none are known."""
    old = {name: digest for name, digest in before.items() if name.rpartition(".")[2] in _OF_SPEC}
    inputs = (named_inputs(one.scenario, _spec_inputs(one)) for one in image.by_scenario)
    new = {name: digest for members in inputs for name, digest in members.items()}
    changed = [name for name in {**new, **old} if new.get(name) != old.get(name)] if before else []
    whole = {name: name.rpartition(".")[0] or name for name in old.keys() ^ new.keys()}  # scenarios that came or went
    return list(dict.fromkeys(whole.get(name, name) for name in changed))


def named_inputs(scenario: str, inputs: Mapping[str, str]) -> dict[str, str]:
    """The members by names that tell them from those of other scenarios: 'scenarios.web.run'."""
    own = f"scenarios.{scenario}." if scenario else ""
    return {f"{own if name in _OF_SCENARIO else ''}{name}": digest for name, digest in inputs.items()}


def _spec_inputs(image: Image) -> dict[str, str]:
    """What the spec says of one scenario, with the files that it names."""
    services = {"services": digest_of([_run(service) for service in image.services])} if image.services else {}
    wanted = image.final.healthcheck
    return {
        **services,
        **({} if wanted is None else {"healthcheck": digest_of(wanted)}),
        "add": digest_of(
            [(target, _file(path)) for path, target in add_files(image, retrace=True)],
            [add.target for add in image.add if not add.retrace],
        ),
        "run": _run(image.run),
        "workload": digest_of([_step(step) for step in image.workload], _named(host_files(image, image.workload))),
        "volumes": digest_of(_named(mounted_files(image, image.workload))),
        "trace": digest_of(replace(image.trace, also=())),
    }


def _health_inputs(image: Image, config: Mapping[str, Any]) -> dict[str, str]:
    """When the HEALTHCHECK is run; nothing where it is not."""
    moment = health_moment(image, image.workload, tried_config(image, config))
    return {"healthy": digest_of(moment)} if moment else {}


def _run(run: Run) -> str:
    """How a container is started."""
    return digest_of(replace(run, volumes=_placeless(run.volumes), env_file=()), [_file(path) for path in run.env_file])


def _placeless(volumes: Iterable[Volume]) -> tuple[Volume, ...]:
    """The volumes less the place on this machine that a folder of the repo has: its content is looked at elsewhere."""
    return tuple(replace(volume, source="") if volume.relative else volume for volume in volumes)


def _step(step: Step) -> Step:
    if isinstance(step.action, StructureTest):
        options = step.action.tests.container_run_options
        options = replace(options, bind_mounts=_placeless(options.bind_mounts), env_file=None)
        tests = replace(step.action.tests, container_run_options=options)
        return replace(step, action=replace(step.action, tests=tests))
    if isinstance(step.action, Pytest):  # its files are told by their names and contents
        return replace(step, action=replace(step.action, path=Path(step.action.path.name)))
    if not isinstance(step.action, Oneshot):
        return step
    return replace(step, action=replace(step.action, volumes=_placeless(step.action.volumes)))


def _named(files: Iterable[tuple[Path, str]]) -> list[Any]:
    return [(name, _file(path)) for path, name in files]


def _file(path: Path) -> tuple[str, str, bool]:
    """What a container sees of it: where a link leads, the content of what is a file or leads to one, its mode."""
    target = str(path.readlink()) if path.is_symlink() else ""
    return target, digest_of_file(path) if path.is_file() else "", bool(path.lstat().st_mode & 0o100)
