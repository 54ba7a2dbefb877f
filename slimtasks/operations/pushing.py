"""`doit push`: sends an image to a registry, or writes it down as an OCI layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.records import from_json, intact, read_json, to_json, write_json
from slimtasks.registry.image import Travelling, travelling
from slimtasks.registry.layout import export
from slimtasks.registry.provenance import provenance
from slimtasks.registry.push import Pushed, push
from slimtasks.registry.reference import Reference, parse
from slimtasks.registry.referrers import Document, artifact
from slimtasks.sizes import size_text
from slimtasks.spec.model import Image
from slimtasks.workspace import Workspace

_LAYOUT = "oci:"
_CYCLONEDX = "application/vnd.cyclonedx+json"
_SPDX = "application/spdx+json"


def send(workspace: Workspace, image: Image, to: str, environ: Mapping[str, str], say: Callable[[str], None]) -> str:
    """Pushes the image and its variants to `to`, or where that is empty by their own tags; a line for each.

    `to`: 'REPOSITORY[:TAG]', for a variant with its preset's name behind the tag, or 'oci:PATH'. What was pushed stands
    in pushed.json afterwards.
    """
    if to.startswith(_LAYOUT):
        return _exported(workspace, image, Path(to.removeprefix(_LAYOUT)))
    placed = replace(image, tags=(str(parse(to)),)) if to else image
    return "; ".join(_sent(workspace, one, environ, say) for one in (placed, *placed.variants))


def _sent(workspace: Workspace, image: Image, environ: Mapping[str, str], say: Callable[[str], None]) -> str:
    places = [parse(tag) for tag in image.tags]
    ready = travelling(workspace, image)
    about = [artifact(ready.manifest, document) for document in _documents(workspace, image, ready)]
    done: list[Pushed] = []
    for place in places:
        elsewhere = _elsewhere(workspace, place, done)
        done.append(push(ready, about, place, elsewhere, environ, say))
    write_json(workspace.image(image.name).pushed, {"pushed": [to_json(one) for one in done]})
    had = sum(len(one.blobs_there) + len(one.blobs_mounted) for one in done)
    sent = f"{size_text(sum(one.sent for one in done))} sent, {had} of {sum(len(one.blobs) for one in done)}"
    return f"{ready.manifest.digest} at {', '.join(one.to for one in done)}: {sent} blobs were there"


def _documents(workspace: Workspace, image: Image, ready: Travelling) -> Iterator[Document]:
    """The bills of a slim image, and what any image was made of."""
    files = workspace.image(image.name)
    for path, kind in ((files.bill, _CYCLONEDX), (files.vex, _CYCLONEDX), (files.spdx, _SPDX)):
        if image.kind == "slim" and path.exists():
            yield Document(path.name, kind, path.read_bytes())
    yield provenance(workspace, image, ready.manifest)


def _elsewhere(workspace: Workspace, place: Reference, done: Iterable[Pushed]) -> dict[str, str]:
    """Blobs that other repositories of the registry have, as far as is known from what was pushed there."""
    found: dict[str, str] = {}
    for path in sorted(workspace.build.glob("*/pushed.json")):
        with intact(path):
            done = (*(from_json(Pushed, one) for one in read_json(path)["pushed"]), *done)
    for one in done:
        other = parse(one.to)
        if other.host == place.host and other.repository != place.repository:
            found.update(dict.fromkeys(one.blobs, other.repository))
    return found


def _exported(workspace: Workspace, image: Image, path: Path) -> str:
    if not path.name:
        raise SlimError(
            f"{_LAYOUT}: found no path after it", f"`doit push {image.name} --to {_LAYOUT}FOLDER`, or a .tar"
        )
    ready = {one.tags[0].rpartition(":")[2]: travelling(workspace, one) for one in (image, *image.variants)}
    export(ready, path)
    blobs = {blob.digest: blob.size for one in ready.values() for blob in one.blobs}
    return f"{', '.join(one.manifest.digest for one in ready.values())} in {path}: {size_text(sum(blobs.values()))}"
