"""image: the slim image as a file, loaded into the engine."""

from __future__ import annotations

from slimtasks import fatfiles
from slimtasks.assembly.by_builder import build
from slimtasks.assembly.finish import finish
from slimtasks.assembly.packed import read_packed
from slimtasks.job import Job
from slimtasks.records import write_json
from slimtasks.sizes import size_text


def run(job: Job) -> str:
    """Writes image.tar and image.json, and loads the image; its tags come when it is verified."""
    packed = read_packed(job)
    if job.image.final.builder == "docker":
        image = build(job, packed)
    else:
        image = finish(job, packed.config, packed.layers, packed.below)
    write_json(job.files.image, image)
    fat = fatfiles.fat(job.files)
    return f"{size_text(image.size)} instead of {size_text(fat.size)}, {image.files} files"
