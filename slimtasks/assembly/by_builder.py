"""The image that the engine's own builder makes of context.tar (`final.builder: docker`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest

from slimtasks.assembly.finish import platform_of
from slimtasks.assembly.packed import Packed
from slimtasks.engine.build import Build
from slimtasks.errors import BuildError, EngineError, SlimError
from slimtasks.job import Job
from slimtasks.oci.archive import write_image
from slimtasks.oci.saved import Scan, scan
from slimtasks.records import Entry, ImagePath, SlimImage, SlimLayer
from slimtasks.sizes import count
from slimtasks.sources.held import hold, making_tag
from slimtasks.sources.steady import steady

_CARRIED = "security.capability"
_PLAIN = (0o755, 0, 0)  # mode and owner of the root that every builder begins with
_NAMED = 20  # paths that an error names


def beyond_add(entries: Sequence[Entry]) -> dict[ImagePath, list[str]]:
    """What ADD of a tar cannot carry, by path.

    That is extended attributes, POSIX ACLs among them, of which the names are told; and mode and owner of the root.
    """
    found = {entry.path: [name for name, _ in entry.xattrs if name != _CARRIED] for entry in entries}
    root = next((entry for entry in entries if entry.path == "/"), None)
    if root and (root.mode, root.uid, root.gid) != _PLAIN:
        found[root.path] += [f"mode {root.mode:04o}", f"owner {root.uid}:{root.gid}"]
    return {path: names for path, names in found.items() if names}


def lost(beyond: Mapping[str, Sequence[str]], most: int) -> str:
    """'user.note of /a, user.x of /b and 2 paths more'."""
    told = [f"{', '.join(names)} of {path}" for path, names in sorted(beyond.items())]
    more = f" and {count(len(told) - most, 'path')} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more


def build(job: Job, packed: Packed) -> SlimImage:
    """Builds the image and holds it; image.tar is what came out.

    SlimError where something stays that ADD cannot carry.
    """
    if packed.beyond_add:
        raise SlimError(
            f"{job.image.name}: final.builder: docker: ADD cannot carry {lost(packed.beyond_add, _NAMED)}",
            "leave `builder: docker` out, since the archive can; or take the paths away by `drop:`",
        )
    try:
        identity = _built(job)
        made = _written(job, packed, identity)
        hold(job, identity)
    except BaseException:
        with suppress(EngineError):  # which is gone, perhaps
            job.engine.untag(making_tag(job))
        raise
    return made


def _built(job: Job) -> str:
    base = job.reference(job.image.final.base)
    with steady(job, () if base == "scratch" else (base,)):
        return job.engine.build(
            Build(
                context=job.files.context,
                tag=making_tag(job),
                platform=job.image.run.platform,
                name=job.image.name,
            ),
            job.say,
        )


def _written(job: Job, packed: Packed, identity: str) -> SlimImage:
    """Writes image.tar of the image as the engine has it; its layers are in the store afterwards."""
    store = job.workspace.layer_store
    with job.engine.save(identity) as stream:
        found = scan(
            stream,
            wanted=lambda path: False,
            read_elf=lambda file: None,
            scratch=job.workspace.scratch_folder(),
            store=store,
        )
    below = len(packed.below.diff_ids)
    if tuple(layer.diff_id for layer in found.layers[:below]) != packed.below.diff_ids:
        raise BuildError(f"{job.image.name}: {job.image.final.base} was moved while it was built on", "run it again")
    tars = [job.workspace.layer(layer.diff_id) for layer in found.layers]
    digests = write_image(job.files.archive, found.raw_config, tars, job.image.tags)
    return SlimImage(
        id=identity,
        config_digest=digests[0],
        manifest_digest=digests[1],
        size=found.size,
        files=sum(entry.type != "dir" for entry in found.entries),
        layers=_layers(job, packed, found),
        tags=job.image.tags,
        platform=platform_of(found.config),
    )


def _layers(job: Job, packed: Packed, found: Scan) -> tuple[SlimLayer, ...]:
    """Those above the base; a builder may make one of its own for WORKDIR."""
    below = len(packed.below.diff_ids)
    names = [layer.name for layer in packed.layers]
    made: list[SlimLayer] = []
    for number, (layer, name) in enumerate(zip_longest(found.layers[below:], names), below):
        if layer is None:
            raise BuildError(f"{job.image.name}: the engine's builder made {len(made)} layers of {len(names)}")
        files = [entry for entry in found.entries if entry.layer == number and entry.type != "dir"]
        size = job.workspace.layer(layer.diff_id).stat().st_size
        content = sum(entry.size for entry in files if not entry.hardlink)
        made.append(SlimLayer(layer.diff_id, name or "builder", size, content, len(files)))
    return tuple(made)
