"""What a trace depends on: two images with the same key are traced once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from slimtasks.fingerprint import digest_of, digest_of_file
from slimtasks.job import Job
from slimtasks.proving import declared_clients
from slimtasks.records import Fat
from slimtasks.spec import Run
from slimtasks.spec.host_files import add_files, workload_files
from slimtasks.trace.tracer_image import sources_digest

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


def trace_key(job: Job, fat: Fat) -> str:
    """A digest of the fat tree, the config that matters when running, the workload and all that it reads.

    Never of a path of this machine, nor of the value of a variable taken from the caller.
    """
    image = job.image
    config = fat.config.get("config") or {}
    retraced = [(target, _file(path)) for path, target in add_files(image, retrace=True)]
    others = [target for _, target in add_files(image, retrace=False)]
    clients = sorted(declared_clients(job, image.workload).items())
    return digest_of(
        fat.tree_digest,
        {name: config.get(name) for name in _RUNNING},
        fat.config.get("architecture"),
        [_run(image.run), image.workload, image.trace],
        [retraced, others, clients, _contents(workload_files(image))],
        sources_digest(),
    )


def _run(run: Run) -> tuple[Any, ...]:
    """The run settings less the places on this machine that its volumes and env files come from."""
    mounts = [(volume.target, volume.type, volume.read_only) for volume in run.volumes]
    return replace(run, volumes=(), env_file=()), mounts


def _contents(paths: Iterable[Path]) -> list[Any]:
    return [_file(path) for path in paths]


def _file(path: Path) -> tuple[str, str, bool]:
    """What a container sees of it: where a link leads, the content of what is a file or leads to one, its mode."""
    target = str(path.readlink()) if path.is_symlink() else ""
    return target, digest_of_file(path) if path.is_file() else "", bool(path.lstat().st_mode & 0o100)
