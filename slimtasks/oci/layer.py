"""Writes one layer: its tar in the store, named by its diff ID."""

from __future__ import annotations

import hashlib
import io
import posixpath
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from slimtasks.errors import SlimError
from slimtasks.oci.header import END, header, padding
from slimtasks.oci.store import Incoming
from slimtasks.oci.stream import PIECE, Forward
from slimtasks.records import Entry, SlimLayer

Content = IO[bytes] | Forward | bytes


class LayerWriter:
    """Takes entries sorted by path; `with` it, so that a failure leaves nothing behind.

    `needed` is the expected size in bytes, for the message when the disk is full.
    """

    def __init__(self, store: Path, name: str, *, needed: int = 0) -> None:
        self._name = name
        self._tar = Incoming(store, needed)
        self._last = ""
        self._files: set[str] = set()  # names that a hardlink may point to
        self._count = 0
        self._content_size = 0

    def __enter__(self) -> LayerWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def add(self, entry: Entry, content: Content | None = None, *, mtime: int | None = None) -> None:
        """Adds one entry, with `content` if it is a file and no hardlink; `mtime` instead of the entry's own.

        Paths must ascend. The content must have the entry's size, and its digest where the entry has one.
        """
        self._check(entry)
        kind = "hardlink" if entry.hardlink else entry.type
        self._tar.write(
            header(
                _name(entry.path, entry.type == "dir"),
                kind,
                mode=entry.mode,
                uid=entry.uid,
                gid=entry.gid,
                size=entry.size if kind == "file" else 0,
                mtime=entry.mtime if mtime is None else mtime,
                target=_name(entry.hardlink) if entry.hardlink else entry.target,
                device=entry.device,
                xattrs=entry.xattrs if kind != "hardlink" else (),
            )
        )
        if kind == "file":
            self._files.add(entry.path)
            self._copy(entry, content)
        self._count += entry.type != "dir"
        self._last = entry.path

    def finish(self) -> SlimLayer | None:
        """Puts the layer into the store; None where nothing was added."""
        if not self._last:
            return None
        self._tar.write(END)
        size = self._tar.size
        return SlimLayer(self._tar.finish(), self._name, size, self._content_size, self._count)

    def _check(self, entry: Entry) -> None:
        where = f"layer {self._name}: {entry.path}"
        if entry.path <= self._last:
            raise SlimError(
                f"{where} comes twice or after {self._last}", "this is a fault of slimtasks: please report it"
            )
        if posixpath.basename(entry.path).startswith(".wh."):
            raise SlimError(f"{where}: in a layer, this name would delete another file", "drop it, or rename it")
        if entry.hardlink and entry.hardlink not in self._files:
            raise SlimError(
                f"{where} is a hardlink to {entry.hardlink}, which is not in this layer",
                "this is a fault of slimtasks: please report it",
            )

    def _copy(self, entry: Entry, content: Content | None) -> None:
        sha256 = hashlib.sha256()
        size = 0
        for piece in _pieces(content or b""):
            self._tar.write(piece)
            sha256.update(piece)
            size += len(piece)
        if size != entry.size or entry.digest not in ("", sha256.hexdigest()):
            found = f"{size} bytes, not {entry.size}" if size != entry.size else "other content"
            raise SlimError(
                f"layer {self._name}: {entry.path} is not what it was when the fat image was read: {found}",
                "something wrote to it meanwhile: run again",
            )
        self._content_size += size
        self._tar.write(padding(size))


def _name(path: str, directory: bool = False) -> str:
    """The path as a tar names it: relative, a directory with a slash at its end."""
    return (path[1:] or ".") + ("/" if directory else "")


def _pieces(content: Content) -> Iterator[bytes | memoryview]:
    if isinstance(content, Forward):
        return content.rest()
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    return iter(lambda: file.read(PIECE), b"")
