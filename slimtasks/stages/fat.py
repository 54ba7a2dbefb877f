"""fat: the image that gets slimmed, and the list of its files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace

from slimtasks.elf import read_elf
from slimtasks.job import Job
from slimtasks.oci.digest import tree_digest
from slimtasks.oci.saved import Scan, scan
from slimtasks.packages import dpkg
from slimtasks.records import Entry, Fat, ImagePath, from_json, read_json, whole_file, write_json, write_lines
from slimtasks.rootfs import Tree
from slimtasks.sizes import size_text
from slimtasks.sources.held import hold
from slimtasks.sources.obtain import obtain


def run(job: Job) -> str:
    """Writes fat.json, inventory.jsonl, packages.jsonl and captured.tar."""
    identity = obtain(job)
    source = job.image.source
    if source.bootstrap or source.dockerfile or source.stdout:  # else it is somebody else's
        hold(job, identity, "" if job.image.kind == "build" else "fat")
    known = _known(job, identity)
    if known:
        return f"{size_text(known.size)}, as before"
    job.say("reading the image's files")
    with job.engine.save(identity) as stream:
        found = scan(stream, wanted=dpkg.captured, read_elf=read_elf, scratch=job.workspace.scratch_folder())
    return _write(job, identity, found)


def _known(job: Job, identity: str) -> Fat | None:
    """What was written of this very image the last time, if all of it is still there."""
    files = job.files
    if not all(path.exists() for path in (files.fat, files.inventory, files.packages, files.captured)):
        return None
    fat = from_json(Fat, read_json(files.fat))
    return fat if fat.id == identity and fat.whole == bool(job.image.source.stdout) else None


def _write(job: Job, identity: str, found: Scan) -> str:
    files = job.files
    files.fat.unlink(missing_ok=True)  # it vouches for the others, see _known
    installed = dpkg.packages(found.files)
    owners = dpkg.owners(installed, Tree(found.entries))
    entries = [replace(entry, package=owners.get(entry.path, "")) for entry in found.entries]
    write_lines(files.inventory, {"paths": len(entries)}, entries)
    write_lines(files.packages, {"packages": len(installed)}, installed)
    _write_captured(job, found.files)
    fat = Fat(
        id=identity,
        config_digest=found.config_digest,
        tree_digest=tree_digest(entries),
        size=found.size,
        config=found.config,
        layers=found.layers,
        whole=bool(job.image.source.stdout),
    )
    write_json(files.fat, fat)
    return f"{size_text(found.size)}, {_count(entries)} files, {len(installed)} packages"


def _count(entries: list[Entry]) -> int:
    return sum(entry.type != "dir" for entry in entries)


def _write_captured(job: Job, captured: Mapping[ImagePath, bytes]) -> None:
    with whole_file(job.files.captured) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in sorted(captured.items()):
            header = tarfile.TarInfo(path.lstrip("/"))
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
