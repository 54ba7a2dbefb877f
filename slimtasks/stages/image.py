"""image: the slim image as a file, loaded into the engine."""

from __future__ import annotations

from dataclasses import replace

from slimtasks import fatfiles
from slimtasks.additions import additions
from slimtasks.assembly.base_image import base_entries
from slimtasks.assembly.by_builder import build
from slimtasks.assembly.finish import finish
from slimtasks.assembly.limited import check_all
from slimtasks.assembly.packed import Packed, read_packed
from slimtasks.job import Job, result_file
from slimtasks.limits import Measured
from slimtasks.records import Entry, Selected, intact, read_json, read_lines, write_json
from slimtasks.sbom.cyclonedx import packages_of
from slimtasks.sizes import size_text
from slimtasks.spec.model import Limits


def run(job: Job) -> str:
    """Writes image.tar and image.json, and loads the image; its tags come when it is verified."""
    packed = read_packed(job)
    if not job.image.variant:
        _check_limits(job, packed)
    if job.image.final.builder == "docker":
        image = build(job, packed)
    else:
        image = finish(job, packed.config, packed.layers, packed.below)
    write_json(job.files.image, image)
    return f"{size_text(image.size)} instead of {size_text(_fat_size(job))}, {image.files} files"


def _check_limits(job: Job, packed: Packed) -> None:
    """Before anything is written or loaded; SlimError with all limits that are not kept."""
    limits, source = job.image.limits, job.image.source
    size, files = packed.below.under(packed.layers)
    comparable = job.image.printer or not source.stdout or limits.reduction is not None  # else it is its own fat image
    measured = Measured((), size, files, _fat_size(job) if comparable else 0)
    if limits == Limits() and measured.is_smaller:
        return
    measured = replace(measured, entries=_entries(job))
    if limits.packages is not None:
        with intact(job.files.bill):
            measured = replace(measured, packages=len(packages_of(read_json(job.files.bill))))
    check_all(job, measured, packed.config)


def _fat_size(job: Job) -> int:
    """The bytes of what it was cut out of: of what a container has printed, those of that one's image."""
    if job.image.printer:
        printed = result_file(job.workspace, job.images[job.image.printer])
        with intact(printed):
            return int(read_json(printed)["size"])
    return fatfiles.fat(job.files).size


def _entries(job: Job) -> list[Entry]:
    """What the image will have, a later one over an earlier one of the same path."""
    tree = {entry.path: entry for entry in fatfiles.inventory(job.files)}
    sources = {choice.path: choice.source or choice.path for choice in read_lines(job.files.selection, Selected)[1]}
    kept = {path: tree[source] for path, source in sources.items() if source in tree}
    below = {entry.path: entry for entry in base_entries(job)}
    added = {addition.entry.path: addition.entry for addition in additions(job.image)}
    return list({**below, **kept, **added}.values())
