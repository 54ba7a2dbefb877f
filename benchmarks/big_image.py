"""Generates a large image as a docker-archive, in pieces, without ever holding much of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAYERS, _LARGE = 3, 12
_LARGE_SHARE = 0.4  # of a part's bytes are in a few large files
_NOISE = os.urandom(1 << 20)
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
_BUILT, _INSTALLED = 1_600_000_000, 1_700_000_000
_DPKG = "var/lib/dpkg"


@dataclass(frozen=True)
class Part:
    """Files below /usr/lib/NAME, in packages NAME-000 and so on."""

    name: str
    size: int  # bytes
    files: int
    packages: int


def big_image(tag: str, tracer: Path, parts: Sequence[Part]) -> Iterator[bytes]:
    """The parts, spread over three layers, and their package database; it runs the tracer image's /relay."""
    program = _relay(tracer)
    diff_ids = []
    for layer in range(_LAYERS):
        sizes = [file for part in parts for file in _sizes(layer, part)]
        extra = {"relay": program} if layer == 0 else _database(parts) if layer == _LAYERS - 1 else {}
        length = sum(512 + _padded(size) for _, size in sizes) + sum(512 + _padded(len(x)) for x in extra.values())
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
        "history": [{"created_by": f"RUN {layer}"} for layer in range(_LAYERS)],
    }
    layers = [f"{layer}/layer.tar" for layer in range(_LAYERS)]
    yield from _file("config.json", json.dumps(config).encode())
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": layers}]
    yield from _file("manifest.json", json.dumps(manifest).encode())
    yield bytes(1024)


def _sizes(layer: int, part: Part) -> list[tuple[str, int]]:
    """Name and size of each file of a part in a layer."""
    small = int(part.size * (1 - _LARGE_SHARE) / (part.files - _LARGE))
    large = int(part.size * _LARGE_SHARE / _LARGE)
    return [
        (_name(part, number), large if number < _LARGE else small * (50 + number % 101) // 100)
        for number in range(layer, part.files, _LAYERS)
    ]


def _name(part: Part, number: int) -> str:
    return f"usr/lib/{part.name}/{number % part.packages:03}/{number:06}"


def _database(parts: Sequence[Part]) -> dict[str, bytes]:
    """What dpkg would have written of the parts' packages."""
    files, status = {}, ""
    for part in parts:
        for package in range(part.packages):
            paths = (f"/{_name(part, number)}\n" for number in range(package, part.files, part.packages))
            name = f"{part.name}-{package:03}"
            files[f"{_DPKG}/info/{name}.list"] = "".join(paths).encode()
            status += (
                f"Package: {name}\nStatus: install ok installed\nArchitecture: {_ARCHITECTURE}\nVersion: 1.0-1\n\n"
            )
    return {**files, f"{_DPKG}/status": status.encode()}


def _layer(sizes: list[tuple[str, int]], extra: dict[str, bytes]) -> Iterator[bytes]:
    for name, data in extra.items():
        yield _header(name, len(data), 0o755 if name == "relay" else 0o644, _INSTALLED)
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


def _header(name: str, size: int, mode: int = 0o644, mtime: int = _BUILT) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode, mtime
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
