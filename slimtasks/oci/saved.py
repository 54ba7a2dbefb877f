"""Reads `docker save`'s archive in a single pass: every path with its digest.

Three shapes: the docker-archive of engines up to 24 (manifest.json last, `<id>/layer.tar`), the OCI layout
with a manifest.json of later ones (`blobs/sha256/<hex>`, layers plain or compressed), and the plain OCI layout
(index.json only). Which file is which is told by content, so the order in the stream does not matter.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slimtasks.errors import SlimError
from slimtasks.oci.merge import Tree, entries, merge
from slimtasks.oci.store import Incoming
from slimtasks.oci.stream import Forward, Readable, compression, forward, section, unpacked
from slimtasks.oci.table import FileReader, ReadElf, Table, Wanted, file_reader, read_table
from slimtasks.oci.tar import Member, members
from slimtasks.records import Entry, ImagePath, Layer

_DOCUMENT_LIMIT = 8 << 20  # bytes of a config, manifest or index


@dataclass(frozen=True)
class Blob:
    """Where a layer's bytes are in the archive."""

    offset: int
    size: int
    compression: str = ""  # 'gzip', 'zstd', or empty


@dataclass(frozen=True)
class Scan:
    """A whole image, less its contents."""

    config: dict[str, Any]  # OCI image-spec, config.md
    raw_config: bytes  # the same as it was saved
    config_digest: str  # 'sha256:...'
    layers: tuple[Layer, ...]
    entries: tuple[Entry, ...]  # sorted by path, the root first
    files: dict[ImagePath, bytes]  # what was wanted
    blobs: tuple[Blob, ...] = ()  # of the layers
    places: dict[ImagePath, tuple[int, int, int]] = field(default_factory=dict)  # layer, data's offset, header's

    @property
    def size(self) -> int:
        """Sum of the contents, bytes, hardlinks once."""
        return sum(entry.size for entry in self.entries if not entry.hardlink)


def scan(stream: Readable, *, wanted: Wanted, read_elf: ReadElf, scratch: Path, store: Path | None = None) -> Scan:
    """The image that `docker save` writes to `stream`; SlimError where it is damaged or hostile.

    `files` has the content of each regular file that `wanted` by its path, up to 4 MiB, of SQLite 128; `read_elf` gets
    a seekable file for each that begins as ELF, big ones through a nameless file in `scratch`. With a
    `store`, every layer is also put there, uncompressed, by its diff ID.
    """
    found = _Found(store)
    outer = forward(stream)
    with file_reader(wanted, read_elf, scratch) as reader:
        for member in members(outer):
            found.add(outer, member, reader)
    for _ in outer.rest():  # so that the engine's end is not closed upon
        pass
    config_name, layer_names = found.manifest()
    raw = found.documents[config_name]
    config = _parsed(raw, config_name)
    layers = [found.layer(name) for name in layer_names]
    _check_diff_ids(config, [layer.diff_id for layer in layers])
    commands = _created_by(config, len(layers))
    described = tuple(Layer(layer.diff_id, command) for layer, command in zip(layers, commands, strict=True))
    tree = merge(layer.table for layer in layers)
    return Scan(
        config=config,
        raw_config=raw,
        config_digest="sha256:" + hashlib.sha256(raw).hexdigest(),
        layers=described,
        entries=entries(tree),
        files=_files(tree, wanted),
        blobs=tuple(layer.blob for layer in layers),
        places=_places(tree),
    )


@dataclass(frozen=True)
class _ScannedLayer:
    table: Table
    diff_id: str
    blob: Blob


def _files(tree: Tree, wanted: Wanted) -> dict[ImagePath, bytes]:
    contents = ((path, placed.node.content) for path, placed in sorted(tree.items()))
    return {path: content for path, content in contents if content is not None and wanted(path)}


def _places(tree: Tree) -> dict[ImagePath, tuple[int, int, int]]:
    return {
        path: (placed.source, -1 if placed.node.member.holes else placed.node.member.data, placed.node.member.header)
        for path, placed in tree.items()
        if placed.node.member.kind == "file"
    }


def _read_layer(outer: Forward, reader: FileReader, blob: Blob, store: Path | None) -> _ScannedLayer:
    sha256 = hashlib.sha256()
    with closing(Incoming(store)) if store else nullcontext() as incoming:
        layer = unpacked(outer, incoming.write if incoming else sha256.update)
        table = read_table(layer, reader)
        for _ in layer.rest():
            pass
        diff_id = incoming.finish() if incoming else "sha256:" + sha256.hexdigest()
    return _ScannedLayer(table, diff_id, blob)


class _Found:
    """What passed so far, by its name in the archive."""

    def __init__(self, store: Path | None) -> None:
        self._store = store
        self.documents: dict[str, bytes] = {}
        self._layers: dict[str, _ScannedLayer] = {}
        self._same: dict[str, str] = {}

    def add(self, outer: Forward, member: Member, reader: FileReader) -> None:
        name = posixpath.normpath(member.name)
        if member.kind == "link":
            self._same[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target))
        elif member.kind == "hardlink":
            self._same[name] = posixpath.normpath(member.target)
        elif member.kind == "file" and not member.holes:
            start = outer.peek(min(member.size, 512))
            if _is_layer(name, start):
                blob = Blob(member.data, member.size, compression(start))
                self._layers[name] = _read_layer(section(outer, member.size), reader, blob, self._store)
            elif bytes(start[:1]) in (b"{", b"[") and member.size <= _DOCUMENT_LIMIT:
                self.documents[name] = outer.read(member.size)

    def layer(self, name: str) -> _ScannedLayer:
        for _ in range(9):
            if name in self._layers:
                return self._layers[name]
            name = self._same.get(name, name)
        raise SlimError(f"the image archive lacks the layer {name}", "save it again, or pull or build the image again")

    def manifest(self) -> tuple[str, list[str]]:
        """The names of the image's config and of its layers in the archive."""
        if "manifest.json" in self.documents:
            images = _parsed(self.documents["manifest.json"], "manifest.json")
            if isinstance(images, list) and len(images) != 1:
                raise SlimError(f"the archive has {len(images)} images", "save one image by its id or one of its tags")
            names = [posixpath.normpath(str(name)) for name in _fields(images, "manifest.json", 0, "Layers") or ()]
            return self._known(posixpath.normpath(str(_fields(images, "manifest.json", 0, "Config")))), names
        name = self._image_manifest("index.json")
        manifest = _parsed(self.documents[name], name)
        layers = [_blob_name(_fields(layer, name, "digest")) for layer in _fields(manifest, name, "layers")]
        return self._known(_blob_name(_fields(manifest, name, "config", "digest"))), layers

    def _image_manifest(self, name: str) -> str:
        """Follows indexes to the first manifest of a platform (others are attestations)."""
        for _ in range(9):
            document = _parsed(self.documents[self._known(name)], name)
            if not isinstance(document, dict) or "manifests" not in document:
                return name
            images = [m for m in _fields(document, name, "manifests") if _is_image(m)]
            digests = sorted({str(_fields(image, name, "digest")) for image in images})
            if len(digests) != 1:
                raise SlimError(f"the archive has {len(digests)} images", "save one image, for one platform")
            name = _blob_name(digests[0])
        raise SlimError("the archive's index refers to itself", "it is damaged or hostile")

    def _known(self, name: str) -> str:
        if name not in self.documents:
            raise SlimError(f"the image archive lacks {name}", "is it what `docker save` wrote, as a whole?")
        return name


def _is_layer(name: str, start: memoryview) -> bool:
    if bytes(start[257:262]) == b"ustar" or compression(start):
        return True
    return name.endswith(".tar") or (len(start) == 512 and not any(start))


def _is_image(descriptor: Any) -> bool:
    platform = descriptor.get("platform", {}) if isinstance(descriptor, dict) else {}
    return not (isinstance(platform, dict) and platform.get("os") == "unknown")


def _blob_name(digest: Any) -> str:
    return "blobs/" + str(digest).replace(":", "/")


def _parsed(raw: bytes, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise SlimError(f"{name} of the image archive is not JSON: {error}", "save it again") from error


def _fields(data: Any, name: str, *keys: str | int) -> Any:
    """What is at `keys` of the document `name`."""
    for key in keys:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError) as error:
            raise SlimError(f"{name} of the image archive has no {key!r}", "is it what `docker save` wrote?") from error
    return data


def _check_diff_ids(config: Any, computed: Sequence[str]) -> None:
    stated = _fields(config, "the config", "rootfs", "diff_ids") or []
    if list(stated) != list(computed):
        raise SlimError("the image archive's layers are not those that its config names", "pull or build it again")


def _created_by(config: dict[str, Any], count: int) -> list[str]:
    """The command of each layer; empty strings where the history does not match the layers."""
    history = config.get("history") or []
    steps = [step for step in history if isinstance(step, dict) and not step.get("empty_layer")]
    if len(steps) != count:
        return [""] * count
    return [str(step.get("created_by", "")) for step in steps]
