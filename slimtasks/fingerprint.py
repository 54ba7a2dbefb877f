"""Digests of what a task depends on, equal on every machine for equal meaning."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

_ASIDE = frozenset({"where", "places", "file", "folder", "scenario", "variants", "pull_policy"})
"""Fields that tell where something was written, which change when a comment above it does, or a scenario's name; and
the variants of an image, which are images of their own; and whether an image may be pulled, which makes it no other."""
_PLAIN = frozenset({str, int, bool, float, type(None)})


def essence(value: Any) -> Any:
    """`value` as plain JSON data, less what does not make it another one."""
    if value.__class__ in _PLAIN:
        return value
    if isinstance(value, (tuple, list)):
        return [essence(item) for item in value]
    if isinstance(value, dict):
        return {str(key): essence(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {name: essence(getattr(value, name)) for name in _names(value.__class__)}
    return str(value) if isinstance(value, Path) else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in _ASIDE)


def digest_of(*values: Any) -> str:
    """The sha256, in hex, of the values' essence."""
    text = json.dumps([essence(value) for value in values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_code(*folders: tuple[Path, tuple[str, ...]]) -> str:
    """The sha256, in hex, of names and contents of the files that the patterns find, folder by folder."""
    digest = hashlib.sha256()
    for folder, patterns in folders:
        for path in sorted({path for pattern in patterns for path in folder.glob(pattern)}):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """The sha256 of a file's content, in hex."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
