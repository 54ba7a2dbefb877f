"""Stacks layers as overlayfs does (OCI image-spec, layer.md): the tree that a container would see."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, cast

from slimtasks.errors import SlimError
from slimtasks.oci.table import Node, Table
from slimtasks.oci.tar import Member
from slimtasks.records import Entry, FileType, ImagePath

_ROOT = ImagePath("/")
_UNNAMED = Node(Member("", "dir", 0o755, 0, 0, 0, 0, "", (), (), 0, 0))  # a directory that no layer names


class Placed(NamedTuple):
    """A node, the layer that wrote this name, and the layer that has its content."""

    node: Node
    layer: int
    source: int


Tree = dict[ImagePath, Placed]


def merge(tables: Iterable[Table]) -> Tree:
    """The surviving paths of a stack of layers, lowest first."""
    stack = _Stack()
    for layer, table in enumerate(tables):
        stack.add(layer, table)
    return stack.tree


def entries(tree: Tree) -> tuple[Entry, ...]:
    """The tree's entries sorted by path, hardlinks pointing to the first surviving name."""
    first: dict[tuple[int, int], ImagePath] = {}
    result = []
    for path in sorted(tree):
        placed = tree[path]
        hardlink = ""
        if placed.node.member.kind == "file" and placed.node.inode:
            name = first.setdefault((placed.source, placed.node.inode), path)
            hardlink = "" if name == path else name
        result.append(_entry(path, placed, hardlink))
    return tuple(result)


def _entry(path: ImagePath, placed: Placed, hardlink: str) -> Entry:
    member = placed.node.member
    return Entry(
        path=path,
        type=cast(FileType, member.kind),
        mode=member.mode if member.kind != "link" else 0o777,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime=member.mtime,
        target=member.target if member.kind == "link" else "",
        hardlink=hardlink,
        device=member.device,
        digest=placed.node.digest,
        xattrs=member.xattrs,
        layer=placed.layer,
        elf=placed.node.elf,
        script=placed.node.script,
    )


class _Stack:
    def __init__(self) -> None:
        self.tree: Tree = {_ROOT: Placed(_UNNAMED, 0, 0)}
        self._children: dict[ImagePath, set[ImagePath]] = defaultdict(set)

    def add(self, layer: int, table: Table) -> None:
        linked = {path: self._linked(path, target) for path, target in table.links.items()}
        for path in table.opaques:
            self._remove_children(path)
        for path in table.whiteouts:
            self._remove(path)
        for path in sorted([*table.nodes, *linked]):
            below = linked.get(path)
            if below is None:
                self._put(path, Placed(table.nodes[path], layer, layer))
            else:
                self._put(path, Placed(below.node, layer, below.source))

    def _linked(self, path: ImagePath, target: ImagePath) -> Placed:
        below = self.tree.get(target)
        if below is None or below.node.member.kind == "dir":
            raise SlimError(
                f"an image archive hardlinks {path} to {target}, which is not there", "it is damaged or hostile"
            )
        return below

    def _put(self, path: ImagePath, placed: Placed) -> None:
        kind = placed.node.member.kind
        if path == _ROOT:
            if kind == "dir":
                self.tree[path] = placed
            return
        parent = ImagePath(posixpath.dirname(path))
        self._make_directory(parent, placed.layer)
        if kind != "dir":
            self._remove_children(path)
        self.tree[path] = placed
        self._children[parent].add(path)

    def _make_directory(self, path: ImagePath, layer: int) -> None:
        """A parent that the layer does not name: what is below stays if it is a directory, else it is hidden."""
        missing: list[ImagePath] = []
        while True:
            placed = self.tree.get(path)
            if placed and placed.node.member.kind == "dir":
                break
            if placed and placed.layer == layer:
                raise SlimError(f"an image archive has a file and a directory at {path}", "it is damaged or hostile")
            missing.append(path)
            path = ImagePath(posixpath.dirname(path))
        for path in reversed(missing):
            self.tree[path] = Placed(_UNNAMED, layer, layer)
            self._children[ImagePath(posixpath.dirname(path))].add(path)

    def _remove(self, path: ImagePath) -> None:
        if path != _ROOT and path in self.tree:
            del self.tree[path]
            self._children[ImagePath(posixpath.dirname(path))].discard(path)
            self._remove_children(path)

    def _remove_children(self, path: ImagePath) -> None:
        gone = [path]
        for parent in gone:
            for child in self._children.pop(parent, ()):
                del self.tree[child]
                gone.append(child)
