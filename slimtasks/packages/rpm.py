"""rpm's package database (rpm.org/docs): where it lies. What is in it is not read, in none of its forms."""

from __future__ import annotations

from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree, join

_FOLDERS = (ImagePath("/usr/lib/sysimage/rpm"), ImagePath("/var/lib/rpm"))
_FILES = ("rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages")


def places() -> tuple[ImagePath, ...]:
    """Where the files lie that the packages are in, whichever form the database has."""
    return tuple(join(folder, name) for folder in _FOLDERS for name in _FILES)


def databases(tree: Tree) -> tuple[Entry, ...]:
    """Those that the tree has, each once, sorted: one of the folders may be a symlink to the other."""
    finals = {final.path: final for path in places() if (final := tree.walk(path).final) and final.type == "file"}
    return tuple(finals[path] for path in sorted(finals))
