"""Writes what would be pushed as an OCI layout (image-spec, image-layout.md): a folder, or a tar of it."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from slimtasks.errors import SlimError
from slimtasks.oci.document import INDEX
from slimtasks.oci.store import disk_full
from slimtasks.records import whole_file
from slimtasks.registry.blob import Blob, of_json
from slimtasks.registry.image import Travelling

_MARK = "oci-layout"
_TAG = "org.opencontainers.image.ref.name"


def export(images: Mapping[str, Travelling], path: Path) -> None:
    """Writes the layout whole, in place of one that is there; SlimError where something else is. `images`: by tag."""
    named = [image.manifest.descriptor(annotations={_TAG: tag}) for tag, image in images.items()]
    blobs = [blob for image in images.values() for blob in (*image.blobs, image.manifest)]
    files = {
        _MARK: of_json("", {"imageLayoutVersion": "1.0.0"}),
        "index.json": of_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": named}),
        **{"blobs/" + blob.digest.replace(":", "/"): blob for blob in blobs},
    }
    with disk_full(path, sum(blob.size for blob in files.values())):
        if path.suffix == ".tar":
            _write_tar(path, files)
        else:
            _write_folder(path, files)


def _write_tar(path: Path, files: dict[str, Blob]) -> None:
    if path.is_dir():
        raise SlimError(f"{path} is a folder", "name a file that ends with .tar, or a folder without")
    with whole_file(path) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, blob in files.items():
            member = tarfile.TarInfo(name)
            member.size = blob.size
            with blob.open() as content:
                tar.addfile(member, content)


def _write_folder(path: Path, files: dict[str, Blob]) -> None:
    if os.path.lexists(path) and not (path / _MARK).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise SlimError(f"{path} is there, and no OCI layout", "remove it, or name another path; .tar makes a tar")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new, old = beside / "new", beside / "old"
    try:
        for name, blob in files.items():
            target = new / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with blob.open() as content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
