"""Gives the contents of a scanned archive that is a file on disk, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from slimtasks.oci.saved import Scan, scan
from slimtasks.oci.store import disk_full
from slimtasks.oci.stream import PIECE, Forward, Readable, forward, section, unpacked
from slimtasks.oci.tar import content
from slimtasks.oci.tar import members as tar_members
from slimtasks.records import Entry, ImagePath

Contents = Iterator[tuple[Entry, IO[bytes] | None]]


class Tee:
    """A stream whose bytes are also written to `file` as they pass."""

    def __init__(self, stream: Readable, file: IO[bytes]) -> None:
        self._stream = stream
        self._file = file
        self._path = Path(str(getattr(file, "name", "a file")))

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        with disk_full(self._path):
            self._file.write(data)
        return data


def unpack_layers(stream: Readable, store: Path) -> tuple[str, ...]:
    """Puts the layers of the image that `docker save` writes into `store`; returns their diff IDs, lowest first."""
    found = scan(stream, wanted=lambda path: False, read_elf=lambda file: None, scratch=store, store=store)
    return tuple(layer.diff_id for layer in found.layers)


def members(archive: Path, scanned: Scan, paths: Iterable[ImagePath], scratch: Path) -> Contents:
    """Each of the sorted `paths` with its content, read before the next one is asked for.

    None instead of a content for what is no file, and for further names of one inode; Entry.hardlink
    is then its first name among `paths`. Compressed layers are unpacked into nameless files in `scratch`.
    """
    entries = {entry.path: entry for entry in scanned.entries}
    first: dict[str, ImagePath] = {}
    with ExitStack() as stack:
        layers = _Layers(archive, scanned, scratch, stack)
        for path in paths:
            entry = entries[path]
            if entry.type != "file":
                yield entry, None
                continue
            name = first.setdefault(entry.hardlink or path, path)
            if name == path:
                yield replace(entry, hardlink=""), layers.open(entry)
            else:
                yield replace(entry, hardlink=name), None


class _Layers:
    def __init__(self, archive: Path, scanned: Scan, scratch: Path, stack: ExitStack) -> None:
        self._archive = stack.enter_context(archive.open("rb"))
        self._scan = scanned
        self._scratch = scratch
        self._stack = stack
        self._unpacked: dict[int, IO[bytes]] = {}

    def open(self, entry: Entry) -> IO[bytes]:
        layer, data, header = self._scan.places[entry.path]
        file, start = self._layer(layer)
        if data >= 0:
            file.seek(start + data)
            return _limited(file, entry.size)
        file.seek(start + header)
        stream = forward(file)
        pieces = content(stream, next(tar_members(stream)))
        return cast(IO[bytes], Forward(lambda: next(pieces, memoryview(b""))))

    def _layer(self, layer: int) -> tuple[IO[bytes], int]:
        """The file that has the layer uncompressed, and where in it."""
        blob = self._scan.blobs[layer]
        if not blob.compression:
            return self._archive, blob.offset
        if layer not in self._unpacked:
            self._unpacked[layer] = self._unpack(blob.offset, blob.size)
        return self._unpacked[layer], 0

    def _unpack(self, offset: int, size: int) -> IO[bytes]:
        self._archive.seek(offset)
        packed = forward(self._archive)
        self._scratch.mkdir(parents=True, exist_ok=True)
        file = self._stack.enter_context(tempfile.TemporaryFile(dir=self._scratch))  # noqa: SIM115
        with disk_full(self._scratch):
            for piece in unpacked(section(packed, size)).rest():
                file.write(piece)
        return file


def _limited(file: IO[bytes], size: int) -> IO[bytes]:
    left = size

    def source() -> bytes:
        nonlocal left
        data = file.read(min(left, PIECE))
        left -= len(data)
        return data

    return cast(IO[bytes], Forward(source))
