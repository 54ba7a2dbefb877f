"""A finished image in the form in which it travels: its manifest, and the blobs that this names."""

from __future__ import annotations

import json
from dataclasses import dataclass

from slimtasks.errors import Damaged
from slimtasks.job import result_file
from slimtasks.oci.archive import config_in, manifest_json
from slimtasks.oci.document import CONFIG, MANIFEST
from slimtasks.records import SlimImage, intact, read_record
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


def travelling(workspace: Workspace, image: Image) -> Travelling:
    """The image as it was built last; Damaged where it is not that any more."""
    archive = workspace.image(image.name).archive
    config = of_bytes(CONFIG, config_in(archive))
    if config.digest != read_record(result_file(workspace, image), SlimImage).config_digest:
        raise Damaged(archive, "it is not the image that was built last")
    with intact(archive):
        diff_ids = json.loads(config.content)["rootfs"]["diff_ids"]  # type: ignore[arg-type]
    layers = tuple(compressed(workspace, diff_id) for diff_id in diff_ids)
    manifest = manifest_json(config.content, [layer.descriptor() for layer in layers])  # type: ignore[arg-type]
    return Travelling(of_bytes(MANIFEST, manifest), config, layers)
