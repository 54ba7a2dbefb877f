"""The files that a spec was made from, and whether they are still the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SPEC_NAMES = ("image.yaml", "image.toml")
LOCK_NAME = "trace.lock.jsonl"  # beside them, where there is one
PACKAGES_LOCK_NAME = "packages.lock"  # the same, of a bootstrap

Stamp = tuple[int, ...]


def stamp(path: str) -> Stamp:
    """What changes when a file is written or replaced; empty where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def nature(path: str) -> Stamp:
    """Whether it is there, of which type, and what may be done with it; not what it holds."""
    try:
        status = Path(path).stat()
    except OSError:
        return ()
    return (stat.S_IFMT(status.st_mode), status.st_mode & 0o777)


def folders(images: Path) -> tuple[str, ...]:
    """Names of the folders below images/, sorted; hidden ones left out."""
    try:
        with os.scandir(images) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return ()
    return tuple(sorted(name for name in names if not name.startswith((".", "__"))))


@dataclass
class Sources:
    """Reads files for the loader and remembers how each one stood before it was read."""

    root: Path
    unwritten: Mapping[Path, bytes] = field(default_factory=dict)  # by absolute path, as if it were there
    stamps: dict[str, Stamp] = field(default_factory=dict)
    natures: dict[str, Stamp] = field(default_factory=dict)

    def read(self, path: Path) -> bytes:
        """The content; raises OSError."""
        self.stamps.setdefault(str(path), stamp(str(path)))
        return self.unwritten[path] if path in self.unwritten else path.read_bytes()

    def exists(self, path: Path) -> bool:
        """Whether it is there; what it holds may change without the spec changing."""
        self.natures.setdefault(str(path), nature(str(path)))
        return path in self.unwritten or path.exists()

    def relative(self, path: Path) -> str:
        """The path as messages show it."""
        return os.path.relpath(path, self.root)
