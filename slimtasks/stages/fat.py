"""fat: the image that gets slimmed, and the list of its files."""

from __future__ import annotations

from dataclasses import replace

from slimtasks import fatfiles
from slimtasks.inventories import inventory_of, is_whole, stored
from slimtasks.job import Job
from slimtasks.records import share_file, write_json
from slimtasks.sizes import size_text
from slimtasks.sources.held import hold
from slimtasks.sources.obtain import obtain


def run(job: Job) -> str:
    """Writes fat.json, inventory.jsonl, packages.jsonl and captured.tar."""
    identity = obtain(job)
    source = job.image.source
    if source.bootstrap or source.dockerfile or source.stdout:  # else it is somebody else's
        hold(job, identity, "" if job.image.kind == "build" else "fat")
    known = is_whole(stored(job.workspace, identity))
    read = inventory_of(job.workspace, job.engine, identity, job.say)
    fat = replace(fatfiles.fat(read), whole=bool(source.stdout))
    for kept, wanted in zip(read.of_fat, job.files.of_fat, strict=True):
        if wanted != job.files.fat:
            share_file(kept, wanted)
    write_json(job.files.fat, fat)
    files, installed = fatfiles.counts(read)
    return f"{size_text(fat.size)}, {files} files, {installed} packages{' (read before)' if known else ''}"
