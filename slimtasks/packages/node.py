"""npm packages: what is in node_modules, or where Debian has it, with a package.json of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from slimtasks.packages.distribution import Distribution
from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree, join

_MODULES = r"(?:/(?:.*/)?node_modules|/usr/(?:share|lib(?:/[^/]+-linux-[^/]+)?)/nodejs)"
_PACKAGE = re.compile(rf"{_MODULES}/(?P<name>@[^/]+/[^/]+|[^@/.][^/]*)", re.DOTALL)
_FILE = "/package.json"


def npm_packages(tree: Tree) -> Iterator[Distribution]:
    """Each with all that is in its directory, less the packages that are nested in it; those that are links as well."""
    for path in tree.paths:
        if path.endswith(_FILE):
            place = ImagePath(path.removesuffix(_FILE))
            match = _PACKAGE.fullmatch(place)
            if match is not None:
                yield Distribution(f"npm/{match['name']}", place, tuple(_own(place, tree)))
    for entry in tree:
        linked = _PACKAGE.fullmatch(entry.path) if entry.type == "link" else None
        final = tree.walk(entry.path).final if linked else None
        if linked is not None and final is not None and _is_linked(final, tree):
            name, paths = f"npm/{linked['name']}", (entry.path, *_own(final.path, tree))
            yield Distribution(name, final.path, paths, local=final.path)


def _is_linked(final: Entry, tree: Tree) -> bool:
    """Whether `npm link` or a workspace put it there: a package outside of what was installed."""
    at_home = re.match(_MODULES + "/", final.path)
    return final.type == "dir" and not final.package and not at_home and join(final.path, "package.json") in tree


def _own(place: ImagePath, tree: Tree) -> Iterator[ImagePath]:
    nested = f"{place}/node_modules/"
    for path in tree.below(place):
        entry = tree.lookup(path)
        if entry is not None and entry.type != "dir" and not path.startswith(nested):
            yield path
