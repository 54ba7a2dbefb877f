"""What the image's distribution has installed, whichever package manager did, and which paths that is in its tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from slimtasks.packages import apk, dpkg, rpm
from slimtasks.records import ImagePath, Package
from slimtasks.rootfs import Tree, join, parent

_CAPTURED = re.compile(
    r"/var/lib/dpkg/(status|diversions|statoverride|status\.d/[^/]+|info/[^/]+\.(list|md5sums|conffiles))"
    r"|/etc/(ld\.so\.(cache|conf|conf\.d/[^/]+|preload)|ld-musl-[^/]+\.path|nsswitch\.conf|passwd|group|shells|os-release)"
    r"|(/usr)?/lib/apk/db/installed|/etc/apk/world"
    r"|/usr/lib/os-release"
    r"|/usr/share/doc/[^/]+/copyright"
)
_CAPTURED_TOP = ("/var/lib/dpkg/", "/etc/", "/lib/apk/", "/usr/lib/apk/", "/usr/lib/os-release", "/usr/share/doc/")


def captured(path: str) -> bool:
    """Whether later stages need the file's content: package database, licence texts, what configures ld.so and NSS."""
    return (path.startswith(_CAPTURED_TOP) and _CAPTURED.fullmatch(path) is not None) or rpm.captured(path)


def packages(files: Mapping[ImagePath, bytes]) -> tuple[Package, ...]:
    """The installed packages, sorted by name; `files` are the image's captured ones."""
    return (*apk.packages(files), *dpkg.packages(files), *rpm.packages(files))


def owners(installed: Iterable[Package], tree: Tree) -> dict[ImagePath, str]:
    """Who owns each path of the tree, by the path as the tree has it.

    Its package may say /bin/ls where the tree has /usr/bin/ls behind the link /bin. A directory belongs to a package
    only where no other one names it; so does a symlink that others name as a directory.
    """
    owner: dict[ImagePath, str] = {}
    shared: set[ImagePath] = set()
    homes: dict[ImagePath, ImagePath] = {}
    for package in installed:
        for path in package.paths:
            place = place_of(path, tree, homes)
            if place is None:
                continue
            if owner.setdefault(place, package.name) != package.name:
                shared.add(place)
    for place in shared:
        entry = tree.lookup(place)
        if entry and (entry.type == "dir" or (entry.type == "link" and _leads_to_directory(place, tree))):
            del owner[place]
    return owner


def named_directories(installed: Iterable[Package], tree: Tree) -> frozenset[ImagePath]:
    """The tree's directories that any package's file list names, or implies."""
    listed = {path for package in installed for path in package.paths}
    above = {path.rpartition("/")[0] or "/" for path in listed}
    places = (tree.walk(path).resolved for path in above.union(listed & tree.directories()))
    found: set[ImagePath] = set()
    for place in places:
        while place not in found and place in tree:
            found.add(place)
            place = parent(place)
    return frozenset(found)


def place_of(path: ImagePath, tree: Tree, homes: dict[ImagePath, ImagePath]) -> ImagePath | None:
    """Where the tree has what a package calls `path`, None for nowhere; `homes` remembers where directories lead."""
    above, _, name = path.rpartition("/")
    directory = ImagePath(above or "/")
    home = homes.get(directory)
    if home is None:
        home = homes[directory] = tree.walk(directory).resolved
    place = path if home == directory else join(home, name)
    return place if place in tree else None


def places(package: Package, tree: Tree) -> frozenset[ImagePath]:
    """What the package brings, by the paths that the tree has or would have for it."""
    homes = {above: tree.walk(above).resolved for above in {parent(path) for path in package.paths}}
    return frozenset(join(homes[parent(path)], path.rpartition("/")[2]) for path in package.paths if path != "/")


def _leads_to_directory(path: ImagePath, tree: Tree) -> bool:
    final = tree.walk(path).final
    return final is not None and final.type == "dir"
