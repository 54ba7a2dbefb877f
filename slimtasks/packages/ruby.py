"""Ruby gems, as RubyGems and Bundler install them: specifications/NAME-VERSION.gemspec, gems/NAME-VERSION."""

from __future__ import annotations

import re
from collections.abc import Iterator

from slimtasks.packages.distribution import Distribution
from slimtasks.records import ImagePath
from slimtasks.rootfs import Tree

_SPECIFICATION = re.compile(r"(?P<home>/.*)/specifications/(?P<full>(?P<name>[^/]+?)-\d[^/]*)\.gemspec", re.DOTALL)
_FROM_GIT = re.compile(r"(?P<folder>/.*/bundler/gems/(?P<name>[^/]+)-[0-9a-f]{7,})/[^/]+\.gemspec", re.DOTALL)


def gems(tree: Tree) -> Iterator[Distribution]:
    """Each with its files, its compiled extensions and its specification."""
    for path in tree.paths:
        if not path.endswith(".gemspec"):
            continue
        match, from_git = _SPECIFICATION.fullmatch(path), _FROM_GIT.fullmatch(path)
        if match is not None:
            folders = [f"{match['home']}/gems/{match['full']}", *_extensions(match["home"], match["full"], tree)]
            paths = [below for folder in folders for below in _files(folder, tree)]
            if paths:
                yield Distribution(f"gem/{match['name']}", path, (*paths, path))
        elif from_git is not None:
            yield Distribution(f"gem/{from_git['name']}", path, tuple(_files(from_git["folder"], tree)))


def _extensions(home: str, full: str, tree: Tree) -> Iterator[str]:
    """extensions/PLATFORM/ABI/NAME-VERSION."""
    for platform in tree.children(f"{home}/extensions"):
        for abi in tree.children(platform):
            yield f"{abi}/{full}"


def _files(folder: str, tree: Tree) -> Iterator[ImagePath]:
    for path in tree.below(folder):
        entry = tree.lookup(path)
        if entry is not None and entry.type != "dir":
            yield path
