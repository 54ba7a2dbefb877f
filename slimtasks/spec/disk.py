"""Makes the host paths of a spec absolute, and checks that what they name is there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.spec.scenario import runs
from slimtasks.spec.sources import Sources
from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Scalar, Sequence, changed_map, find, found, key_name


@dataclass
class Disk:
    """Looks up the paths of one spec; each is relative to the folder of the file that names it."""

    sources: Sources
    mistakes: list[Mistake]

    def resolve(self, tree: Mapping, folder: Path) -> Mapping:
        """The spec with absolute host paths."""
        tree = self._source(tree, folder)
        for index in _indices(tree, ("add",)):
            tree = self._path(tree, ("add", index, "source"), self._inside)
        for index in _indices(tree, ("trace", "also")):
            tree = self._path(tree, ("trace", "also", index, "file"), self._file)
        for index in _indices(tree, ("from", "secrets")):
            tree = self._path(tree, ("from", "secrets", index, "file"), self._file)
        for run in runs(tree):
            tree = self._run(tree, run)
        return tree

    def _run(self, tree: Mapping, run: Loc) -> Mapping:
        env_file = (*run, "env_file")
        if isinstance(find(tree, env_file), Scalar):
            tree = self._path(tree, env_file, self._file)
        for index in _indices(tree, env_file):
            tree = self._path(tree, (*env_file, index), self._file)
        return self.volumes(tree, (*run, "volumes"))

    def volumes(self, tree: Mapping, loc: Loc, prefix: Loc = ()) -> Mapping:
        """The tree with absolute paths in its bind mounts at `loc`; `prefix` is where the tree stands in its spec."""
        for index in _indices(tree, loc):
            volume = find(tree, (*loc, index))
            if not isinstance(volume, Mapping):
                continue
            kind, source = volume.items.get("type"), volume.items.get("source")
            if not isinstance(kind, Scalar) or kind.value != "bind":
                continue
            if not isinstance(source, Scalar) or not isinstance(source.value, str):
                self._wrong(volume, (*prefix, *loc, index), "a bind mount without source; allowed: a host path")
                continue
            tree = changed_map(tree, (*loc, index), self._bind(volume, source, (*prefix, *loc, index, "source")))
        return tree

    def file(self, node: Node, loc: Loc) -> Path | None:
        """The file that the node names; None after adding the mistake that it does not."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            self._wrong(node, loc, f"found {found(node)}; allowed: a path")
            return None
        path = self._absolute(node)
        problem = self._file(path, node)
        if problem:
            self._wrong(node, loc, problem)
        return None if problem else path

    def existing(self, tree: Mapping, loc: Loc, prefix: Loc) -> Mapping:
        """The tree with the absolute path of the file or folder of the repo at `loc`; `prefix` as in `volumes`."""
        return self._path(tree, loc, self._inside, prefix)

    def program(self, node: Node | None, loc: Loc) -> None:
        """Checks the program of a host step where it is named by a relative path."""
        first = node.items[0] if isinstance(node, Sequence) and node.items else node
        if not isinstance(first, Scalar) or not isinstance(first.value, str):
            return
        name = first.value.split()[0] if first is node and first.value.strip() else first.value
        if "/" not in name:
            return
        path = self._absolute(replace(first, value=name))
        if not self.sources.exists(path):
            self._wrong(first, loc, f"{self.sources.relative(path)} does not exist")
        elif path.is_dir() or not os.access(path, os.X_OK):
            self._wrong(first, loc, f"{self.sources.relative(path)} is not executable; run: chmod +x {name}")

    def _source(self, tree: Mapping, folder: Path) -> Mapping:
        source = find(tree, ("from",))
        if not isinstance(source, Mapping) or "dockerfile" not in source.items:
            return tree
        tree = self._path(tree, ("from", "context"), self._folder)
        tree = self._path(tree, ("from", "dockerfile"), self._dockerfile)
        if "context" not in source.items:
            context = Scalar(str(folder), source.place)
            tree = changed_map(tree, ("from",), replace(source, items={**_items(tree, ("from",)), "context": context}))
        return tree

    def _path(self, tree: Mapping, loc: Loc, check: Callable[[Path, Scalar], str], prefix: Loc = ()) -> Mapping:
        node = find(tree, loc)
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return tree
        path = self._absolute(node)
        problem = check(path, node) if node.value.strip() else "found an empty string; allowed: a path"
        if problem:
            self._wrong(node, (*prefix, *loc), problem)
        return changed_map(tree, loc, replace(node, value=str(path)))

    def _bind(self, volume: Mapping, source: Scalar, loc: Loc) -> Mapping:
        path, relative = self._absolute(source), not str(source.value).startswith("/")
        if str(source.value).startswith("~"):
            self._wrong(source, loc, f"found '{source.value}'; allowed: ${{HOME}}{str(source.value)[1:]}")
        elif relative and not self.sources.exists(path):
            self._wrong(source, loc, f"{self.sources.relative(path)} does not exist")
        new = {"source": replace(source, value=str(path)), "@relative": replace(source, value=relative)}
        return replace(volume, items={**volume.items, **new})

    def _absolute(self, node: Scalar) -> Path:
        folder = (self.sources.root / node.place.file).parent
        return Path(os.path.normpath(folder / str(node.value)))

    def _inside(self, path: Path, node: Scalar) -> str:
        if not path.is_relative_to(self.sources.root):
            return f"found '{node.value}', which lies outside the repo; allowed: a file or folder of the repo"
        if not self.sources.exists(path):
            return f"{self.sources.relative(path)} does not exist"
        return ""

    def _file(self, path: Path, node: Scalar) -> str:
        if not self.sources.exists(path):
            return f"{self.sources.relative(path)} does not exist"
        if path.is_dir():
            return f"{self.sources.relative(path)} is a folder; allowed: a file"
        return "" if os.access(path, os.R_OK) else f"{self.sources.relative(path)} cannot be read: permission denied"

    def _folder(self, path: Path, node: Scalar) -> str:
        if not self.sources.exists(path):
            return f"{self.sources.relative(path)} does not exist"
        return "" if path.is_dir() else f"{self.sources.relative(path)} is a file; allowed: a folder"

    def _dockerfile(self, path: Path, node: Scalar) -> str:
        problem = self._file(path, node)
        if not problem and not stat.S_ISREG(path.stat().st_mode):
            problem = f"{self.sources.relative(path)} is not a plain file"
        return problem

    def _wrong(self, node: Node, loc: Loc, problem: str) -> None:
        self.mistakes.append(Mistake(node.place, key_name(loc), problem))


def _indices(tree: Mapping, loc: Loc) -> range:
    node = find(tree, loc)
    return range(len(node.items)) if isinstance(node, Sequence) else range(0)


def _items(tree: Mapping, loc: Loc) -> dict[str, Node]:
    node = find(tree, loc)
    return node.items if isinstance(node, Mapping) else {}
