"""A folder that stands for build/ while an image is made once more from its trace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slimtasks.job import Job
from slimtasks.workspace import Workspace


@contextmanager
def once_more(job: Job) -> Iterator[Workspace]:
    """Has what is not made again: the image's fat image and trace, and all of other images. Goes at the end.

    A variant is made together with what it is a variant of.
    """
    with tempfile.TemporaryDirectory(dir=job.workspace.scratch_folder()) as name:
        again = Workspace(job.workspace.root, Path(name))
        _share(job, again)
        yield again


def _share(job: Job, again: Workspace) -> None:
    mine = again.image(job.image.variant_of or job.image.name)
    for folder in {mine.folder, again.image(job.image.name).folder}:
        folder.mkdir(parents=True)
    pairs = [(path, mine.folder / path.name) for path in (*job.files.of_fat, job.files.trace)]
    pairs += [(job.workspace.image(name).folder, again.image(name).folder) for name in job.images]
    pairs.append((job.workspace.fat_store, again.fat_store))
    for path, link in pairs:
        if path.exists() and not link.exists():
            link.symlink_to(path.absolute())
