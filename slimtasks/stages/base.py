"""base: a Debian tree, or any image, with what nobody needs removed, as one layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slimtasks import packages
from slimtasks.assembly.dates import Clock
from slimtasks.assembly.finish import config_of, finish
from slimtasks.elf import read_elf
from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.oci.contents import Tee, members
from slimtasks.oci.layer import LayerWriter
from slimtasks.oci.saved import Scan, scan, scan_tree
from slimtasks.records import Entry, ImagePath, Package, SlimLayer, write_json
from slimtasks.rootfs import Tree
from slimtasks.sources.bootstrap import bootstrap
from slimtasks.sources.held import making_tag
from slimtasks.sources.obtain import obtain
from slimtasks.squash import Squashed, squash

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class _Tree:
    """The tree to squash: its archive on this machine, what is in it, and the image config that goes with it."""

    archive: Path
    scan: Scan
    config: dict[str, Any]


def run(job: Job) -> str:
    """Writes base.json and image.tar, and loads the image."""
    with _tree(job) as tree:
        found = packages.packages(tree.scan.files)
        owners = packages.owners(found, Tree(tree.scan.entries))
        entries = tuple(replace(entry, package=owners.get(entry.path, "")) for entry in tree.scan.entries)
        clock = Clock.of(entries, job.environ)
        squashed = _squash(job, entries, found, tree.scan)
        layer = _pack(job, tree, entries, squashed, clock)
    config = config_of(job, tree.config, [(layer.diff_id, f"slimtasks base {job.image.name}")], clock.epoch)
    image = finish(job, config, [layer])
    write_json(job.files.base, image)
    return f"{image.size / 1e6:.1f} MB, {image.files} files, {len(squashed.packages)} packages, one layer"


@contextmanager
def _tree(job: Job) -> Iterator[_Tree]:
    archive = job.workspace.scratch_folder() / f"{job.image.name}-tree.tar"
    try:
        if job.image.source.bootstrap:
            yield _bootstrapped(job, archive)
        else:
            yield _saved(job, archive)
    finally:
        archive.unlink(missing_ok=True)
        job.engine.untag(making_tag(job))


def _bootstrapped(job: Job, archive: Path) -> _Tree:
    assert job.image.source.bootstrap
    bootstrap(job.image.source.bootstrap, archive, job.engine, job.environ, job.say)
    with archive.open("rb") as file:
        found = scan_tree(file, wanted=packages.captured, read_elf=read_elf, scratch=job.workspace.scratch_folder())
    info = job.engine.info
    config = {"architecture": info.architecture, "os": "linux", "config": {"Env": [_PATH], "Cmd": ["sh"]}}
    return _Tree(archive, found, config)


def _saved(job: Job, archive: Path) -> _Tree:
    with job.engine.save(obtain(job)) as stream, archive.open("wb") as file:
        scratch = job.workspace.scratch_folder()
        found = scan(Tee(stream, file), wanted=packages.captured, read_elf=read_elf, scratch=scratch)
    return _Tree(archive, found, found.config)


def _squash(job: Job, entries: tuple[Entry, ...], found: tuple[Package, ...], scanned: Scan) -> Squashed:
    rules = job.image.squash
    return squash(
        entries,
        found,
        scanned.files,
        remove=rules.remove,
        purge=rules.purge,
        only_packages=rules.only_packages,
        metadata=job.image.metadata,
    )


def _pack(job: Job, tree: _Tree, entries: tuple[Entry, ...], squashed: Squashed, clock: Clock) -> SlimLayer:
    contents: dict[ImagePath, bytes] = dict(squashed.contents)
    owned = {entry.path: entry for entry in entries}
    paths = [entry.path for entry in entries if entry.path in squashed.paths]
    with LayerWriter(job.workspace.layer_store, "root", needed=tree.scan.size) as layer:
        for entry, content in members(tree.archive, tree.scan, paths, job.workspace.scratch_folder()):
            mtime = clock.mtime(owned[entry.path])
            if entry.path in contents:
                text = contents[entry.path]
                layer.add(replace(entry, size=len(text), digest="", hardlink=""), text, mtime=mtime)
            else:
                layer.add(entry, content, mtime=mtime)
        finished = layer.finish()
    if finished is None:
        raise SlimError(f"{job.image.name}: nothing is left of the tree", "remove less")
    return finished
