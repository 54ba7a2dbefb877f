"""Layers as they travel: gzip, since that is the one compression that every engine pulls (Docker 20.10 has no zstd)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import IO

from slimtasks.errors import Damaged
from slimtasks.fingerprint import digest_of_file
from slimtasks.oci.document import LAYER
from slimtasks.oci.store import disk_full
from slimtasks.records import whole_file
from slimtasks.registry.blob import Blob
from slimtasks.workspace import Workspace

COMPRESSOR = "deflate-0.9.0-6"
"""Library, version and level: part of the file's name, as other bytes are another digest."""

_GZIPPED = f"{LAYER}+gzip"
_LEVEL = 6
_MEMBER = 4 << 20  # bytes of the tar in each gzip member (RFC 1952, 2.2), the most that is in memory


def compressed(workspace: Workspace, diff_id: str) -> Blob:
    """The layer as a blob, compressed unless that was done before; Damaged where its tar is not that layer.

    The file's name has its digest, so that one that was damaged since is made anew.
    """
    store, stem = workspace.compressed_store, _stem(diff_id)
    for path in store.glob(f"{stem}*.tar.gz"):
        digest, size = _digest(path)
        if path.name == _name(diff_id, digest):
            return Blob(_GZIPPED, digest, size, path)
    return _made(workspace.layer(diff_id), diff_id, store / f"{stem}new")


def _made(layer: Path, diff_id: str, path: Path) -> Blob:
    with disk_full(path), whole_file(path) as target:
        if _compress(layer, target) != diff_id:
            raise Damaged(layer, f"it is not {diff_id}")
    digest, size = _digest(path)
    return Blob(_GZIPPED, digest, size, path.replace(path.with_name(_name(diff_id, digest))))


def _stem(diff_id: str) -> str:
    return f"{diff_id.removeprefix('sha256:')}.{COMPRESSOR}."


def _name(diff_id: str, digest: str) -> str:
    return f"{_stem(diff_id)}{digest.removeprefix('sha256:')}.tar.gz"


def _compress(layer: Path, target: IO[bytes]) -> str:
    """Writes the members; the diff ID of what was read."""
    gzip_compress = import_module("deflate").gzip_compress
    sha256 = hashlib.sha256()
    with layer.open("rb") as tar:
        while piece := tar.read(_MEMBER):
            sha256.update(piece)
            target.write(gzip_compress(piece, _LEVEL))
    return f"sha256:{sha256.hexdigest()}"


def _digest(path: Path) -> tuple[str, int]:
    """Of the bytes that are there, and their number."""
    return f"sha256:{digest_of_file(path)}", path.stat().st_size


def unnamed(workspace: Workspace, diff_ids: Iterable[str]) -> list[Path]:
    """The compressed layers that are none of these, or were made by another compressor."""
    named, store = tuple(map(_stem, diff_ids)), workspace.compressed_store
    return [path for path in store.iterdir() if not path.name.startswith(named)] if store.exists() else []
