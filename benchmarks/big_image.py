"""Generates a large image as a docker-archive, in pieces, without ever holding much of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

_LAYERS, _FOLDERS, _LARGE = 3, 200, 12
_LARGE_SHARE = 0.4  # of the bytes are in a few large files
_NOISE = os.urandom(1 << 20)
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def big_image(tag: str, tracer: Path, size: int, files: int) -> Iterator[bytes]:
    """Of about `size` bytes in `files` files below /data, in three layers; it runs the tracer image's /relay."""
    program = _relay(tracer)
    diff_ids = []
    for layer in range(_LAYERS):
        sizes = _sizes(layer, size, files)
        extra = [("relay", program)] if layer == 0 else []
        length = sum(512 + _padded(size) for _, size in sizes) + sum(512 + _padded(len(data)) for _, data in extra)
        yield _header(f"{layer}/layer.tar", length + 1024)
        digest = hashlib.sha256()
        for piece in _layer(sizes, extra):
            digest.update(piece)
            yield piece
        diff_ids.append(f"sha256:{digest.hexdigest()}")
        yield bytes(-(length + 1024) % 512)
    config = {
        "architecture": _ARCHITECTURE,
        "os": "linux",
        "config": {"Entrypoint": ["/relay"], "Cmd": ["--listening"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": f"COPY {layer}"} for layer in range(_LAYERS)],
    }
    layers = [f"{layer}/layer.tar" for layer in range(_LAYERS)]
    yield from _file("config.json", json.dumps(config).encode())
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": layers}]
    yield from _file("manifest.json", json.dumps(manifest).encode())
    yield bytes(1024)


def _sizes(layer: int, size: int, files: int) -> list[tuple[str, int]]:
    """Name and size of each file of a layer."""
    small = int(size * (1 - _LARGE_SHARE) / (files - _LARGE))
    large = int(size * _LARGE_SHARE / _LARGE)
    numbers = range(layer, files, _LAYERS)
    return [
        (f"data/{number % _FOLDERS:03}/{number:06}", large if number < _LARGE else small * (50 + number % 101) // 100)
        for number in numbers
    ]


def _layer(sizes: list[tuple[str, int]], extra: list[tuple[str, bytes]]) -> Iterator[bytes]:
    for name, data in extra:
        yield _header(name, len(data), 0o755)
        yield data + bytes(-len(data) % 512)
    for name, size in sizes:
        yield _header(name, size)
        yield from _noise(name, size)
    yield bytes(1024)


def _noise(name: str, size: int) -> Iterator[bytes]:
    """`size` bytes that no other file has, padded to a whole block."""
    left = _padded(size)
    first = name.encode().ljust(512, b"\0") if left else b""
    yield first[:size].ljust(min(left, 512), b"\0")
    left -= len(first)
    while left > 0:
        yield _NOISE[:left]
        left -= len(_NOISE)


def _file(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data))
    yield data + bytes(-len(data) % 512)


def _header(name: str, size: int, mode: int = 0o644) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    return member.tobuf(tarfile.GNU_FORMAT)


def _padded(size: int) -> int:
    return -(-size // 512) * 512


def _relay(tracer: Path) -> bytes:
    """The static program /relay of the tracer image."""
    with tarfile.open(tracer) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content and content.read(1024)[257:262] == b"ustar":
                content.seek(0)
                with tarfile.open(fileobj=io.BytesIO(content.read())) as layer:
                    for name in ("relay", "./relay"):
                        if name in layer.getnames() and (program := layer.extractfile(name)):
                            return program.read()
    raise SystemExit(f"{tracer} has no /relay")
