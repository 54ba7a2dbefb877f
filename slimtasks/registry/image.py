"""A finished image in the form in which it travels: its manifest, and the blobs that this names."""

from __future__ import annotations

import json
from dataclasses import dataclass

from slimtasks.errors import Damaged
from slimtasks.job import result_file
from slimtasks.oci.archive import config_in, manifest_json
from slimtasks.oci.document import CONFIG, MANIFEST
from slimtasks.records import SlimImage, read_record
from slimtasks.registry.blob import Blob, of_bytes
from slimtasks.registry.compressed import compressed
from slimtasks.spec.model import Image
from slimtasks.workspace import Workspace


@dataclass(frozen=True)
class Travelling:
    """Layers are compressed, so that the manifest is not the one of image.tar; the config is the same."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]  # lowest first

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """All that the manifest names, each once."""
        return tuple({blob.digest: blob for blob in (*self.layers, self.config)}.values())

    @property
    def size(self) -> int:
        """Bytes of the blobs."""
        return sum(blob.size for blob in self.blobs)


def travelling(workspace: Workspace, image: Image) -> Travelling:
    """The image as it was built last; Damaged where it is not that any more."""
    archive = workspace.image(image.name).archive
    config = config_in(archive)
    if of_bytes(CONFIG, config).digest != read_record(result_file(workspace, image), SlimImage).config_digest:
        raise Damaged(archive, "it is not the image that was built last")
    return travelling_as(workspace, config)


def travelling_as(workspace: Workspace, config: bytes) -> Travelling:
    """The image of that config, whose layers are in the store; they are compressed unless they were before."""
    layers = tuple(compressed(workspace, diff_id) for diff_id in json.loads(config)["rootfs"]["diff_ids"])
    manifest = manifest_json(config, [layer.descriptor() for layer in layers])
    return Travelling(of_bytes(MANIFEST, manifest), of_bytes(CONFIG, config), layers)
