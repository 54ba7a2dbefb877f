"""`doit push`: sends an image to a registry, or writes it down as an OCI layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.records import to_json, write_json
from slimtasks.registry.image import travelling
from slimtasks.registry.layout import export
from slimtasks.registry.push import push
from slimtasks.registry.reference import parse
from slimtasks.sizes import size_text
from slimtasks.spec.model import Image
from slimtasks.workspace import Workspace

_LAYOUT = "oci:"


def send(workspace: Workspace, image: Image, to: str, environ: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Pushes the image to `to`, or where that is empty by its own tags; one line that says what was done.

    `to`: 'REPOSITORY[:TAG]' or 'oci:PATH'. What was pushed stands in pushed.json afterwards.
    """
    if to.startswith(_LAYOUT):
        return _exported(workspace, image, Path(to.removeprefix(_LAYOUT)))
    places = [parse(name) for name in ([to] if to else image.tags)]
    ready = travelling(workspace, image)
    done = [push(ready, place, environ, say) for place in places]
    write_json(workspace.image(image.name).pushed, {"pushed": [to_json(one) for one in done]})
    there = sum(len(one.blobs_there) for one in done)
    sent = f"{size_text(sum(one.sent for one in done))} sent, {there} of {there + sum(len(o.blobs_sent) for o in done)}"
    return f"{ready.manifest.digest} at {', '.join(one.to for one in done)}: {sent} blobs were there"


def _exported(workspace: Workspace, image: Image, path: Path) -> str:
    if not path.name:
        raise SlimError(
            f"{_LAYOUT}: found no path after it", f"`doit push {image.name} --to {_LAYOUT}FOLDER`, or a .tar"
        )
    ready = travelling(workspace, image)
    export(ready, path, image.tags[0].rpartition(":")[2])
    return f"{ready.manifest.digest} in {path}: {size_text(sum(blob.size for blob in ready.blobs))}"
