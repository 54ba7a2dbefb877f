"""Small layers, the archives that engines save them in, and trees as text."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from tars import Item, d, f, link, tar

from slimtasks.oci.saved import Scan, scan
from slimtasks.records import Entry


def config(layers: Iterable[bytes], history: list[dict[str, Any]] | None = None, **more: Any) -> bytes:
    """A config of these layers."""
    diff_ids = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    image = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
        **more,
    }
    return json.dumps(image).encode()


def docker_archive(*layers: bytes, raw_config: bytes = b"", tags: tuple[str, ...] = ()) -> bytes:
    """What `docker save` of 20.10 writes: manifest.json last, a layer that comes again as a symlink."""
    raw = raw_config or config(layers)
    items: list[Item] = []
    names: list[str] = []
    seen: dict[bytes, str] = {}
    for number, layer in enumerate(layers):
        names.append(f"{number}a/layer.tar")
        items += [d(f"{number}a/"), f(f"{number}a/VERSION", "1.0"), f(f"{number}a/json", "{}")]
        first = seen.setdefault(layer, names[-1])
        items.append(f(names[-1], layer) if first == names[-1] else link(names[-1], f"../{first}"))
    name = hashlib.sha256(raw).hexdigest() + ".json"
    manifest = [{"Config": name, "RepoTags": list(tags) or None, "Layers": names}]
    return tar(*items, f(name, raw), f("manifest.json", json.dumps(manifest)), f("repositories", "{}"))


def oci_layout(*layers: bytes, pack: str = "", docker: bool = True, attested: bool = False) -> bytes:
    """What later engines write: blobs, an index, and (`docker`) a manifest.json; layers packed by gzip or zstd."""
    raw = config(layers)
    packed = [packing(pack)(layer) for layer in layers]
    manifest = json.dumps(
        {"config": {"digest": _digest(raw)}, "layers": [{"digest": _digest(layer)} for layer in packed]}
    ).encode()
    manifests: list[dict[str, Any]] = [{"digest": _digest(manifest), "platform": {"os": "linux"}}]
    if attested:
        manifests.append({"digest": "sha256:" + "0" * 64, "platform": {"os": "unknown", "architecture": "unknown"}})
    blobs = {_blob(data): data for data in (*packed, raw, manifest)}
    items = [d("blobs/"), d("blobs/sha256/"), *(f(name, data) for name, data in sorted(blobs.items()))]
    items += [f("index.json", json.dumps({"manifests": manifests})), f("oci-layout", '{"imageLayoutVersion": "1.0.0"}')]
    if docker:
        entry = {"Config": _blob(raw), "RepoTags": None, "Layers": [_blob(layer) for layer in packed]}
        items.append(f("manifest.json", json.dumps([entry])))
    return tar(*items)


def packing(kind: str) -> Any:
    """A function that compresses."""
    return {"": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[kind]


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _blob(data: bytes) -> str:
    return "blobs/" + _digest(data).replace(":", "/")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a tmpfs")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def scanned(archive: bytes, scratch: Path, *wanted: str) -> Scan:
    """The archive's scan, no ELF read."""
    return scan(io.BytesIO(archive), wanted=lambda p: p in wanted, read_elf=lambda file: None, scratch=scratch)


def dump(entries: Iterable[Entry]) -> list[str]:
    """One line a path: '/a file 644 0:0 L1 2cf24dba', with what is special of it at the end."""
    return [_line(entry) for entry in entries]


def _line(entry: Entry) -> str:
    parts = [entry.path, entry.type, f"{entry.mode:o}", f"{entry.uid}:{entry.gid}", f"L{entry.layer}"]
    if entry.type == "file":
        parts.append(entry.digest[:6])
    for key in ("target", "hardlink", "device", "xattrs", "script"):
        if getattr(entry, key):
            parts.append(f"{key}={getattr(entry, key)}")
    return " ".join(parts)
