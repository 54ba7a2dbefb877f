"""The files of this machine, and the images, that trace and verify depend on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from slimtasks.spec.model import Image
from slimtasks.spec.names import tagged
from slimtasks.spec.sources import LOCK_NAME, PACKAGES_LOCK_NAME
from slimtasks.spec.steps import Client, Host, Oneshot, Pytest, Step, StructureTest


def trace_lock(image: Image) -> Path:
    """Where its trace is locked, if it is."""
    return image.folder / LOCK_NAME


def packages_lock(image: Image) -> Path:
    """Where the packages of its bootstrap are locked, if they are."""
    return image.folder / PACKAGES_LOCK_NAME


def workload_files(image: Image, *, checks: bool) -> tuple[Path, ...]:
    """Host scripts, env files, and all files below relative bind mounts, of all scenarios, sorted.

    Those that `checks` alone need only if these count.
    """
    found: set[Path] = set()
    for one in image.by_scenario:
        steps = one.steps if checks else one.workload
        named = (*host_files(one, steps), *mounted_files(one, steps))
        found |= {*one.run.env_file, *(path for path, _ in named)}
    found |= {path for service in image.services for path in service.env_file}
    return tuple(sorted(found))


def host_files(image: Image, steps: Iterable[Step]) -> tuple[tuple[Path, str], ...]:
    """(file, name) of what host steps run or read: every word that names a file below the image's folder.

    And the env files of structure tests, and the files below the path of pytest's.
    """
    return tuple(found for step in steps for found in _host_files(step, image.folder))


def mounted_files(image: Image, steps: Iterable[Step]) -> tuple[tuple[Path, str], ...]:
    """(file or symlink, path in the container) of what the folders and files of the repo bring that are mounted."""
    more = (step.action.volumes for step in steps if isinstance(step.action, (Oneshot, StructureTest)))
    of_services = (service.volumes for service in image.services)
    return tuple(
        found
        for volume in chain(image.run.volumes, *of_services, *more)
        if volume.type == "bind" and volume.relative
        for found in _inside(Path(volume.source), volume.target)
    )


def add_files(image: Image, *, retrace: bool | None = None) -> tuple[tuple[Path, str], ...]:
    """(file or symlink on the host, path in the image) of what `add` brings, in the order of the spec.

    With `retrace`, only of those rules whose `retrace` is that.
    """
    result: list[tuple[Path, str]] = []
    for add in image.add:
        if retrace is None or add.retrace == retrace:
            result += _inside(add.source, add.target)
    return tuple(result)


def other_images(image: Image, steps: Iterable[Step]) -> frozenset[str]:
    """What services and `client` steps run, as the spec writes it; empty stands for the fat image."""
    clients = (step.action.image for step in steps if isinstance(step.action, Client))
    return frozenset((*(service.image for service in image.services), *clients))


def other_foreign(image: Image, steps: Iterable[Step]) -> dict[str, str]:
    """Those of them that are neither declared in this repo nor the image itself, each with its platform; sorted."""
    mine = {"", *(written for written, _ in image.references)}
    platforms = {service.image: service.platform for service in image.services}
    foreign = sorted(name for name in other_images(image, steps) - mine if tagged(name) not in image.tags)
    return {name: platforms.get(name, "") for name in foreign}


def files_below(path: Path) -> Iterator[Path]:
    """The path itself where it is no folder, else all files and symlinks below it, sorted."""
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders.sort()
        for name in sorted([*files, *links]):
            yield Path(folder, name)


def _inside(source: Path, target: str) -> Iterator[tuple[Path, str]]:
    """Each file below `source`, and its path where `target` stands for that."""
    for path in files_below(source):
        inside = path.relative_to(source).as_posix()
        yield path, target if inside == "." else f"{target.rstrip('/')}/{inside}"


def _host_files(step: Step, folder: Path) -> Iterator[tuple[Path, str]]:
    env_file = step.action.tests.container_run_options.env_file if isinstance(step.action, StructureTest) else None
    if env_file is not None:
        yield env_file, env_file.name
    if isinstance(step.action, Host):
        for word in step.action.command:
            path = folder / word
            if not word.startswith("/") and path.is_file():
                yield Path(os.path.normpath(path)), word
    if isinstance(step.action, Pytest):
        path = step.action.path
        yield from ((file, name) for file, name in _inside(path, path.name) if "/__pycache__/" not in name)
