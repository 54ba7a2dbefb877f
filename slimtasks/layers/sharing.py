"""Which shared layers an image uses, and what is left to its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from slimtasks.layers.lock import Group, Lock
from slimtasks.layers.members import Bundle, size_of, source_of, split
from slimtasks.packages.installed import places
from slimtasks.records import Entry, ImagePath, Package
from slimtasks.rootfs import Tree

Ships = Callable[[str, ImagePath], bool | None]
"""Whether a package brings a path; None where the image has no such package."""


@dataclass(frozen=True)
class Use:
    """A shared layer as one image has it."""

    group: Group
    entries: tuple[Entry, ...]  # as they stand in the layer, sorted by path; without their parents
    passed: tuple[str, ...] = ()  # members that their package ships no longer


@dataclass(frozen=True)
class Sharing:
    """What of an image is in which shared layer, lowest first, and what of its packages is not.

    Entries are as they stand in a layer, sorted by path.
    """

    uses: tuple[Use, ...]
    common: tuple[Entry, ...]  # what others have, too
    rest: tuple[Entry, ...]


def share(lock: Lock, bundles: Sequence[Bundle], ships: Ships) -> Sharing:
    """The groups of which the image has every member that its packages still ship.

    Where it has all of more groups than the lock says, as an image that was not planned for may, it uses the largest.
    """
    have = {name: bundle for bundle in bundles for name in bundle.members}
    fitting = [use for group in lock.groups if (use := _use(group, have, ships))]
    largest = sorted(fitting, key=lambda use: (-size_of(use.entries), use.group.name))
    used = {use.group for use in largest[: lock.most]}
    uses = tuple(use for use in fitting if use.group in used)
    taken = {entry.path for use in uses for entry in use.entries}
    left = [bundle for bundle in bundles if bundle.entries[0].path not in taken]
    names = set(lock.common)
    common = _entries(bundle for bundle in left if names.issuperset(bundle.members))
    rest = _entries(bundle for bundle in left if not names.issuperset(bundle.members))
    return Sharing(uses, common, rest)


def _use(group: Group, have: dict[str, Bundle], ships: Ships) -> Use | None:
    passed, found = [], {}
    for name in group.members:
        bundle = have.get(name)
        if bundle is not None:
            found[bundle.members] = bundle
        elif ships(*split(name)) is False:
            passed.append(name)
        else:
            return None
    members = set(group.members)
    if not found or not all(members.issuperset(names) for names in found):
        return None  # a name of an inode that stays behind would take the content with it
    return Use(group, _entries(found.values()), tuple(passed))


def _entries(bundles: Iterable[Bundle]) -> tuple[Entry, ...]:
    return tuple(sorted((entry for bundle in bundles for entry in bundle.entries), key=attrgetter("path")))


class Shipped:
    """What the packages of an image bring, by the paths of its tree; what it takes to know is read when asked."""

    def __init__(self, installed: Callable[[], Iterable[Package]], entries: Callable[[], Iterable[Entry]]) -> None:
        self._installed = installed
        self._entries = entries
        self._packages: dict[str, Package] | None = None
        self._tree: Tree | None = None
        self._places: dict[str, frozenset[ImagePath]] = {}

    def __call__(self, package: str, path: ImagePath) -> bool | None:
        if self._packages is None:
            self._packages = {package.name: package for package in self._installed()}
        known = self._packages.get(package)
        if known is None:
            return None
        if package not in self._places:
            self._tree = self._tree or Tree(self._entries())
            self._places[package] = places(known, self._tree)
        return source_of(path) in self._places[package]
