"""The image that a slim image is laid over (`final.base`)."""

from __future__ import annotations

from slimtasks import fatfiles
from slimtasks.errors import SlimError
from slimtasks.inventories import inventory_of
from slimtasks.job import Job
from slimtasks.oci.contents import unpack_layers
from slimtasks.records import Entry, ImagePath
from slimtasks.sources.foreign import note_described
from slimtasks.sources.obtain import taken
from slimtasks.workspace import ImageFiles


def base_id(job: Job) -> str:
    """The engine's id of the base; empty for scratch."""
    wanted = job.image.final.base
    if wanted == "scratch":
        return ""
    identity = taken(job, wanted, f"{job.image.name}: final.base")
    note_described(job, wanted, identity)
    return identity


def base_entries(job: Job) -> tuple[Entry, ...]:
    """The base's file tree; empty for scratch."""
    files = _base_files(job)
    return fatfiles.inventory(files) if files else ()


def base_captured(job: Job) -> dict[ImagePath, bytes]:
    """The contents of those small files of the base that later stages read; none for scratch."""
    files = _base_files(job)
    return fatfiles.captured(files) if files else {}


def _base_files(job: Job) -> ImageFiles | None:
    identity = base_id(job)
    return inventory_of(job.workspace, job.engine, identity, job.say) if identity else None


def base_layers(job: Job) -> tuple[str, ...]:
    """The diff IDs of the base's layers, lowest first, each a tar in the layer store."""
    identity = base_id(job)
    if not identity:
        return ()
    found = job.engine.inspect_image(identity)
    if not found:
        raise SlimError(f"{job.image.name}: the engine no longer has {job.image.final.base}", "run it again")
    diff_ids = tuple(found["RootFS"]["Layers"])
    if all(job.workspace.layer(diff_id).exists() for diff_id in diff_ids):
        return diff_ids
    with job.engine.save(identity) as stream:
        return unpack_layers(stream, job.workspace.layer_store)
