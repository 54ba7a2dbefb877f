"""base: a Debian tree, or any image, with what nobody needs removed, as one layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from slimtasks.assembly.compiled import redated, source_dates
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.finish import config_of, finish
from slimtasks.elf import read_elf
from slimtasks.errors import SlimError
from slimtasks.inventories import owned
from slimtasks.job import Job
from slimtasks.oci.contents import Tee, members
from slimtasks.oci.layer import LayerWriter
from slimtasks.oci.saved import Scan, scan
from slimtasks.packages.installed import captured
from slimtasks.records import Entry, ImagePath, Package, SlimLayer, write_json
from slimtasks.rootfs import is_engines
from slimtasks.sizes import size_text
from slimtasks.sources.held import making_tag
from slimtasks.sources.obtain import obtain
from slimtasks.squash import Squashed, squash


def run(job: Job) -> str:
    """Writes base.json and image.tar, and loads the image."""
    with _saved(job) as (archive, found):
        installed, entries = owned(found)
        clock = Clock.of(entries, job.environ)
        squashed = _squash(job, entries, installed, found)
        for note in squashed.notes:
            job.note(note)
        layer = _pack(job, archive, found, entries, squashed, clock)
    config = config_of(job, found.config, [(layer.diff_id, f"slimtasks base {job.image.name}")], clock.epoch)
    image = finish(job, config, [layer])
    write_json(job.files.base, image)
    return f"{size_text(image.size)}, {image.files} files, {len(squashed.packages)} packages, one layer"


@contextmanager
def _saved(job: Job) -> Iterator[tuple[Path, Scan]]:
    """The source image as a file, and what is in it."""
    archive = job.workspace.scratch_folder() / f"{job.image.name}-source.tar"
    try:
        with job.engine.save(obtain(job)) as stream, archive.open("wb") as file:
            scratch = job.workspace.scratch_folder()
            found = scan(Tee(stream, file), wanted=captured, read_elf=read_elf, scratch=scratch)
        yield archive, found
    finally:
        archive.unlink(missing_ok=True)
        job.engine.untag(making_tag(job))


def _squash(job: Job, entries: tuple[Entry, ...], installed: tuple[Package, ...], found: Scan) -> Squashed:
    rules = job.image.squash
    return squash(
        entries,
        installed,
        found.files,
        remove=rules.remove,
        purge=rules.purge,
        only_packages=rules.only_packages,
        metadata=job.image.metadata,
    )


def _pack(
    job: Job, archive: Path, found: Scan, entries: tuple[Entry, ...], squashed: Squashed, clock: Clock
) -> SlimLayer:
    contents: dict[ImagePath, bytes] = dict(squashed.contents)
    owned = {entry.path: entry for entry in entries}
    paths = [entry.path for entry in entries if entry.path in squashed.paths and not is_engines(entry.path)]
    with LayerWriter(job.workspace.layer_store, "root", needed=found.size) as layer:
        for entry, content in members(archive, found, paths, job.workspace.scratch_folder()):
            mtime = clock.mtime(owned[entry.path])
            if entry.path in contents:
                text = contents[entry.path]
                layer.add(replace(entry, size=len(text), digest="", hardlink=""), text, mtime=mtime)
            elif content and (dates := source_dates(owned[entry.path], owned, clock)):
                made, redone = redated(entry, content.read(entry.size), dates)
                layer.add(made, redone, mtime=mtime)
            else:
                layer.add(entry, content, mtime=mtime)
        finished = layer.finish()
    if finished is None:
        raise SlimError(f"{job.image.name}: nothing is left of the tree", "remove less")
    return finished
