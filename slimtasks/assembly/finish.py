"""Turns layers into an image: its config, its file, its place in the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.errors import EngineError
from slimtasks.job import Job
from slimtasks.oci.archive import retagged, write_image
from slimtasks.oci.config import Overrides, image_config
from slimtasks.records import SlimImage, SlimLayer
from slimtasks.sources.held import hold, making_tag


def config_of(
    job: Job, carried: Mapping[str, Any], layers: Sequence[tuple[str, str]], created: int, **base: str
) -> bytes:
    """The image config (OCI image-spec, config.md): `carried` from the fat image, changed as `final:` says.

    `layers`: (diff ID, what made it), lowest first; `created`: seconds since 1970.
    """
    final = job.image.final
    overrides = Overrides(
        user=final.user,
        command=final.command,
        entrypoint=final.entrypoint,
        healthcheck=final.healthcheck,
        expose=final.expose or (),
        environment=final.environment,
        labels=final.labels,
    )
    return image_config(carried, layers, kind=job.image.kind, created=created, overrides=overrides, **base)


@dataclass(frozen=True)
class Below:
    """What a slim image is laid over: its layers, lowest first, and what is in them."""

    diff_ids: tuple[str, ...] = ()
    size: int = 0  # of the files' content, bytes
    files: int = 0

    def under(self, layers: Iterable[SlimLayer]) -> tuple[int, int]:
        """Bytes of content and files of all, with these layers over it."""
        made = tuple(layers)
        size = self.size + sum(layer.content_size for layer in made)
        return size, self.files + sum(layer.files for layer in made)


def finish(job: Job, config: bytes, layers: Sequence[SlimLayer], below: Below = Below()) -> SlimImage:
    """Writes image.tar, loads it, and holds it.

    EngineError where the engine made something else of it.
    """
    digests = write(job, config, layers, below)
    identity = load(job, job.files.archive, digests)
    made = json.loads(config)
    size, files = below.under(layers)
    return SlimImage(
        id=identity,
        config_digest=digests[0],
        manifest_digest=digests[1],
        size=size,
        files=files,
        layers=tuple(layers),
        tags=job.image.tags,
        platform=platform_of(made),
    )


def platform_of(config: Mapping[str, Any]) -> str:
    """As in 'linux/arm64/v8', by the image config."""
    return "/".join(config[key] for key in ("os", "architecture", "variant") if config.get(key))


def write(job: Job, config: bytes, layers: Sequence[SlimLayer], below: Below = Below()) -> tuple[str, str]:
    """Writes image.tar; its config digest and its manifest digest."""
    paths = [job.workspace.layer(diff_id) for diff_id in (*below.diff_ids, *(layer.diff_id for layer in layers))]
    return write_image(job.files.archive, config, paths, job.image.tags)


def load(job: Job, archive: Path, digests: tuple[str, str]) -> str:
    """Loads an image file and holds the image, which gets its own tags once it is verified.

    Its id is the config's digest, or with the containerd image store the manifest's.
    """
    identity = job.engine.load_stream(retagged(archive, [making_tag(job)]), str(archive))
    if identity not in digests:
        raise EngineError(f"{archive}: the engine loaded it as {identity}, which is neither of {' and '.join(digests)}")
    hold(job, identity)
    return identity
