"""All packages of languages in an image: the runtimes, what their tools installed, and what Debian packaged of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from slimtasks.packages import node, perl, python
from slimtasks.packages.distribution import Distribution
from slimtasks.packages.languages import tree_of
from slimtasks.packages.ruby import gems
from slimtasks.packages.runtimes import runtimes
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree, parent

# Opened of every distribution there is, by whoever looks for one of them: importlib.metadata, RubyGems, Python's start.
_LOOKED_THROUGH = re.compile(
    r".*(?:\.(?:dist|egg)-info(?:/.*)?|/[^/]+\.pth|/_distutils_hack/.*|/package\.json|\.gemspec|/\.packlist)", re.DOTALL
)


def captured(path: str) -> bool:
    """Whether finding the distributions takes the file's content."""
    return python.captured(path) or perl.captured(path) or node.captured(path)


def is_looked_through(path: str) -> bool:
    """Whether that the file was opened does not tell that its distribution was used."""
    return _LOOKED_THROUGH.fullmatch(path) is not None


@dataclass(frozen=True)
class Distributions:
    """Each once, and by the paths that it has; of several that claim a path, the first in the order of `of`."""

    all: tuple[Distribution, ...]
    owners: Mapping[ImagePath, Distribution]

    @classmethod
    def of(cls, tree: Tree, files: Mapping[ImagePath, bytes]) -> Distributions:
        """`files`: the contents of what `captured` asks for."""
        told = [
            *runtimes(tree),
            *python.python_distributions(tree, files),
            *node.npm_packages(tree, files),
            *gems(tree),
        ]
        told += perl.cpan_distributions(tree, files)
        told += _packaged(tree, {path for distribution in told for path in distribution.paths})
        whole = tuple(_with_compiled(told, tree))
        owners: dict[ImagePath, Distribution] = {}
        for distribution in whole:
            for path in distribution.paths:
                owners.setdefault(path, distribution)
        return cls(whole, owners)

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, ImagePath], Distribution]:
        """npm's by their folder, Python's by the folder of their metadata."""
        return {(one.name, one.place if one.name.startswith("npm/") else parent(one.place)): one for one in self.all}

    def found(self, place: ImagePath, names: Iterable[str]) -> Iterator[Distribution]:
        """Those of the names 'npm/x' and 'pypi/x' that what lies in `place` gets where it asks for them."""
        for name in names:
            places = node.looked_for(place, name) if name.startswith("npm/") else (parent(place),)
            found = next((one for at in places if (one := self._by_place.get((name, at)))), None)
            if found is not None:
                yield found


def _packaged(tree: Tree, told: set[ImagePath]) -> Iterator[Distribution]:
    """What a package of the image's distribution has in the trees of languages; a jar is a file, and no tree's."""
    found: dict[str, list[ImagePath]] = {}
    for entry in tree:
        if entry.package and entry.type != "dir" and entry.path not in told:
            place = tree_of(entry.path)
            if place is not None and place[0] != "Java":
                found.setdefault(entry.package, []).append(entry.path)
    for name, paths in sorted(found.items()):
        yield Distribution(name, paths[0], tuple(paths))


def _with_compiled(told: Iterable[Distribution], tree: Tree) -> Iterator[Distribution]:
    """The distributions with the .pyc files that were made of their sources, which lists do not name."""
    compiled: dict[ImagePath, list[ImagePath]] = {}
    for path in tree.paths:
        source = python.compiled_from(path)
        if source is not None:
            compiled.setdefault(source, []).append(path)
    for distribution in told:
        more = {made for path in distribution.paths for made in compiled.get(path, ())} if compiled else set()
        more.difference_update(distribution.paths)
        yield replace(distribution, paths=(*distribution.paths, *sorted(more))) if more else distribution
