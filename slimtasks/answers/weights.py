"""How many bytes files take: those of an inode once, whatever its names."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from slimtasks.records import Entry
from slimtasks.rootfs import Tree


@dataclass(frozen=True)
class Extent:
    """Files, links and other things that are no directories."""

    files: int
    size: int  # bytes


class Scales:
    """Weighs the paths of one tree, of which some stay; directories count for nothing."""

    def __init__(self, tree: Tree, staying: Collection[str]) -> None:
        self._tree = tree
        self._staying = frozenset(staying)
        self._kept = _inodes(entry for entry in tree if entry.path in self._staying)

    def stays(self, entry: Entry) -> bool:
        return entry.path in self._staying

    def kept(self, entries: Iterable[Entry]) -> Extent:
        """Those of them that stay."""
        mine = [entry for entry in entries if entry.type != "dir" and entry.path in self._staying]
        return Extent(len(mine), self._size(_inodes(mine)))

    def removed(self, entries: Iterable[Entry]) -> Extent:
        """Those of them that go; bytes that stay under another name are not among them."""
        mine = [entry for entry in entries if entry.type != "dir" and entry.path not in self._staying]
        return Extent(len(mine), self._size(_inodes(mine) - self._kept))

    def freed(self, entry: Entry) -> int:
        """The bytes that go with a path that goes: those of an inode with its first name, if all of them go."""
        return 0 if entry.hardlink or entry.path in self._kept else entry.size

    def _size(self, inodes: Iterable[str]) -> int:
        return sum(entry.size for inode in inodes if (entry := self._tree.lookup(inode)) is not None)


def _inodes(entries: Iterable[Entry]) -> set[str]:
    """Each by its first name."""
    return {entry.hardlink or entry.path for entry in entries if entry.type == "file"}
