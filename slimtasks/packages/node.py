"""npm packages: what is in node_modules, or where Debian has it, with a package.json of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from slimtasks.packages.distribution import Distribution
from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree, join, parents

_MODULES = r"(?:/(?:.*/)?node_modules|/usr/(?:share|lib(?:/[^/]+-linux-[^/]+)?)/nodejs)"
_PACKAGE = re.compile(rf"{_MODULES}/(?P<name>@[^/]+/[^/]+|[^@/.][^/]*)", re.DOTALL)
_FILE = "/package.json"
_NEEDS = ("dependencies", "optionalDependencies")


def captured(path: str) -> bool:
    """Whether the file says what a package, or an app in whatever folder, depends on."""
    if not path.endswith(_FILE):
        return False
    place = path.removesuffix(_FILE)
    return "/node_modules/" not in f"{place}/" or _PACKAGE.fullmatch(place) is not None


def npm_packages(tree: Tree, files: Mapping[ImagePath, bytes]) -> Iterator[Distribution]:
    """Each with all that is in its directory, less the packages that are nested in it; those that are links as well."""
    for path in tree.paths:
        if path.endswith(_FILE):
            place = ImagePath(path.removesuffix(_FILE))
            match = _PACKAGE.fullmatch(place)
            if match is not None:
                paths, needs = tuple(_own(place, tree)), _needs(files.get(path))
                yield Distribution(f"npm/{match['name']}", place, paths, needs)
    for entry in tree:
        linked = _PACKAGE.fullmatch(entry.path) if entry.type == "link" else None
        final = tree.walk(entry.path).final if linked else None
        if linked is not None and final is not None and _is_linked(final, tree):
            name, paths = f"npm/{linked['name']}", (entry.path, *_own(final.path, tree))
            needs = _needs(files.get(join(final.path, "package.json")))
            yield Distribution(name, final.path, paths, needs, local=final.path)


def app_of(path: ImagePath, files: Mapping[ImagePath, bytes]) -> tuple[ImagePath, tuple[str, ...]] | None:
    """The folder of the app that the file is of, and what that depends on; None where no package.json tells."""
    if "/node_modules/" in path:
        return None
    for place in reversed(parents(path)):
        content = files.get(join(place, "package.json"))
        if content is not None:
            return place, _needs(content)
    return None


def looked_for(place: ImagePath, name: str) -> Iterator[ImagePath]:
    """Where Node.js looks for the package `name`, 'npm/x', that is asked for in `place`."""
    for folder in (place, *reversed(parents(place))):
        if not folder.endswith("/node_modules"):
            yield join(folder, f"node_modules/{name.removeprefix('npm/')}")


def _needs(content: bytes | None) -> tuple[str, ...]:
    """'npm/x' of each dependency of a package.json; nothing of one that is none."""
    try:
        told = json.loads(content or b"{}")
    except ValueError:
        return ()
    groups = [told.get(key) for key in _NEEDS] if isinstance(told, dict) else []
    return tuple(sorted({f"npm/{name}" for group in groups if isinstance(group, dict) for name in group}))


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
