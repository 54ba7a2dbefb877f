"""Writes an image as one file that is a docker-archive and an OCI layout, and a build context."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from slimtasks.errors import Damaged, SlimError
from slimtasks.oci.document import CONFIG, INDEX, LAYER, MANIFEST, json_bytes
from slimtasks.oci.header import END, header, padding
from slimtasks.oci.store import disk_full
from slimtasks.oci.stream import PIECE
from slimtasks.records import intact, whole_file

_DOCKER_MANIFEST = "manifest.json"
_INDEX_NAME = "index.json"
_NOT_BY_KERNEL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def write_image(path: Path, config: bytes, layers: Sequence[Path], tags: Sequence[str]) -> tuple[str, str]:
    """Writes the image whole to `path`; returns its config digest and its manifest digest.

    `layers` are tars of the store, lowest first. `docker load` takes tags from manifest.json; index.json has
    none, so an engine with the containerd image store loads the image untagged.
    """
    sizes = {layer: _size(layer) for layer in layers}
    descriptors = [_descriptor(LAYER, "sha256:" + layer.stem, sizes[layer]) for layer in layers]
    manifest = manifest_json(config, descriptors)
    config_digest, manifest_digest = _digest(config), _digest(manifest)
    described = _descriptor(MANIFEST, manifest_digest, len(manifest)) | {"platform": _platform(config)}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [described]}
    docker = {
        "Config": _blob(config_digest),
        "RepoTags": list(tags) or None,
        "Layers": [_blob(d["digest"]) for d in descriptors],
    }
    with _tar(path, sum(sizes.values())) as file:
        _add(file, "oci-layout", json_bytes({"imageLayoutVersion": "1.0.0"}))
        _add(file, _INDEX_NAME, json_bytes(index))
        _add(file, _DOCKER_MANIFEST, json_bytes([docker]))
        _add(file, _blob(config_digest), config)
        _add(file, _blob(manifest_digest), manifest)
        for layer in dict.fromkeys(layers):
            _add_file(file, _blob("sha256:" + layer.stem), layer, sizes[layer])
    return config_digest, manifest_digest


def config_in(path: Path) -> bytes:
    """The config in an image file that `write_image` wrote; raises Damaged."""
    with _read(path) as tar:
        return _content(tar, json.loads(_content(tar, _DOCKER_MANIFEST))[0]["Config"])


def manifest_in(path: Path) -> bytes:
    """The manifest in it; raises Damaged."""
    with _read(path) as tar:
        return _content(tar, _blob(json.loads(_content(tar, _INDEX_NAME))["manifests"][0]["digest"]))


@contextmanager
def _read(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with intact(path), tarfile.open(path, "r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise Damaged(path, f"no whole tar ({error})") from error


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    return file.read() if file else b""


def retagged(path: Path, tags: Sequence[str]) -> Iterator[bytes]:
    """The bytes of an image file that `write_image` wrote, but with these tags for `docker load`."""
    with path.open("rb") as file:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            member = tar.getmember(_DOCKER_MANIFEST)
        file.seek(member.offset_data)
        docker = json.loads(file.read(member.size))
        content = json_bytes([{**docker[0], "RepoTags": list(tags) or None}])
        file.seek(0)
        yield file.read(member.offset)
        yield header(_DOCKER_MANIFEST, size=len(content)) + content + padding(len(content))
        file.seek(member.offset_data + member.size + len(padding(member.size)))
        while piece := file.read(PIECE):
            yield piece


def manifest_json(config: bytes, layers: Sequence[dict[str, Any]]) -> bytes:
    """The image manifest (OCI image-spec, manifest.md) of a config and the descriptors of its layers."""
    described = _descriptor(CONFIG, _digest(config), len(config))
    return json_bytes({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": list(layers)})


def write_context(path: Path, dockerfile: str, layers: Sequence[tuple[str, Path]]) -> None:
    """Writes a build context whole to `path`: the Dockerfile, and each layer by its name in the context."""
    sizes = {layer: _size(layer) for _, layer in layers}
    with _tar(path, sum(sizes.values())) as file:
        _add(file, "Dockerfile", dockerfile.encode("utf-8", "surrogateescape"))
        for name, layer in layers:
            _add_file(file, name, layer, sizes[layer])


def _size(layer: Path) -> int:
    try:
        return layer.stat().st_size
    except OSError as error:
        raise SlimError(
            f"cannot read the layer {layer}: {error.strerror}", "run again: it will be packed again"
        ) from error


@contextmanager
def _tar(path: Path, needed: int) -> Iterator[IO[bytes]]:
    with disk_full(path, needed), whole_file(path) as file:
        yield file
        file.write(END)


def _add(file: IO[bytes], name: str, content: bytes) -> None:
    file.write(header(name, size=len(content)) + content + padding(len(content)))


def _add_file(file: IO[bytes], name: str, source: Path, size: int) -> None:
    file.write(header(name, size=size))
    file.flush()
    with source.open("rb") as layer:
        _copy(layer, file, size)
        if layer.tell() != size:
            raise SlimError(f"the layer {source} changed while it was copied", "run again: it will be packed again")
    file.write(padding(size))


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    """Copies in the kernel where it can; both files stand at the right place before and after."""
    left = size
    try:
        while left and (count := os.copy_file_range(source.fileno(), target.fileno(), left)):
            left -= count
    except OSError as error:
        if error.errno not in _NOT_BY_KERNEL:
            raise
    source.seek(size - left)
    target.seek(0, os.SEEK_END)  # the file object does not know what passed beside it
    shutil.copyfileobj(source, target, PIECE)


def _platform(config: bytes) -> dict[str, str]:
    image = json.loads(config)
    return {key: image[key] for key in ("architecture", "os", "variant") if image.get(key)}


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
