"""The files of this machine, and the images, that trace and verify depend on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from slimtasks.spec.model import Image
from slimtasks.spec.steps import Client, Host, Oneshot, Step


def workload_files(image: Image) -> tuple[Path, ...]:
    """Host scripts, env files, and all files below relative bind mounts, sorted.

    Of a host step, every word that names a file below the image's folder counts.
    """
    volumes = list(image.run.volumes)
    files: set[Path] = set(image.run.env_file)
    for step in (*image.workload, *image.checks):
        if isinstance(step.action, Oneshot):
            volumes += step.action.volumes
        files.update(_host_files(step, image.folder))
    for volume in volumes:
        if volume.type == "bind" and volume.relative:
            files.update(files_below(Path(volume.source)))
    return tuple(sorted(files))


def add_files(image: Image, *, retrace: bool | None = None) -> tuple[tuple[Path, str], ...]:
    """(file or symlink on the host, path in the image) of what `add` brings, in the order of the spec.

    With `retrace`, only of those rules whose `retrace` is that.
    """
    result: list[tuple[Path, str]] = []
    for add in image.add:
        if retrace is None or add.retrace == retrace:
            for path in files_below(add.source):
                inside = path.relative_to(add.source).as_posix()
                result.append((path, add.target if inside == "." else f"{add.target.rstrip('/')}/{inside}"))
    return tuple(result)


def client_images(steps: Iterable[Step]) -> frozenset[str]:
    """What `client` steps run, as the spec writes it; empty stands for the fat image."""
    return frozenset(step.action.image for step in steps if isinstance(step.action, Client))


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


def _host_files(step: Step, folder: Path) -> Iterator[Path]:
    if isinstance(step.action, Host):
        for word in step.action.command:
            path = folder / word
            if not word.startswith("/") and path.is_file():
                yield Path(os.path.normpath(path))
