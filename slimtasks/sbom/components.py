"""The packages of which files are in a slim image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from slimtasks.packages import dpkg, installed, rpm
from slimtasks.packages.distribution import Distribution
from slimtasks.packages.distributions import Distributions
from slimtasks.packages.identity import Identity, told
from slimtasks.records import Entry, ImagePath, Package, Reason, Selected
from slimtasks.rootfs import Tree, parent
from slimtasks.sbom.component import Component, merged
from slimtasks.sbom.contents import Contents
from slimtasks.sbom.gone import Balance, Extent
from slimtasks.sbom.purl import of_language, of_package, plain_name, purl, read_os_release, type_of
from slimtasks.selection.whole import is_metadata

_OF_TOOLS = ("pypi", "npm", "gem", "cpan")
_MOUNTED = ("/dev", "/proc", "/sys")  # of the engine, in no image
_OS_RELEASE = (ImagePath("/etc/os-release"), ImagePath("/usr/lib/os-release"))


@dataclass(frozen=True)
class Slimmed:
    """The fat image, what was selected of it, and what the slim image came to have."""

    tree: Tree
    packages: Sequence[Package]
    captured: Mapping[ImagePath, bytes]
    selected: Sequence[Selected]
    contents: Contents  # of the slim image, its base included
    base: Contents  # of the base alone
    base_tree: Tree

    @cached_property
    def used(self) -> frozenset[ImagePath]:
        """What stays of the fat image, less what is there only to tell of other files."""
        return frozenset(choice.source or choice.path for choice in self.selected if not is_metadata(choice))

    @cached_property
    def balance(self) -> Balance:
        return Balance(self.tree, self.contents.paths.union(one.source for one in self.selected if one.source))

    @property
    def unread(self) -> tuple[ImagePath, ...]:
        """The package databases of the fat image and of the base that tell us nothing."""
        both = ((self.tree, self.packages), (self.base_tree, installed.packages(self.base.files)))
        mute = (tree for tree, packages in both if not any(one.name.startswith("rpm/") for one in packages))
        return tuple(sorted({entry.path for tree in mute for entry in rpm.databases(tree)}))

    @cached_property
    def os_release(self) -> dict[str, str]:
        """Of the slim image, else of the fat one."""
        for files in (self.contents.files, self.captured):
            for path in _OS_RELEASE:
                if path in files:
                    return read_os_release(files[path])
        return {}


def whole(
    packages: Sequence[Package], entries: Iterable[Entry], captured: Mapping[ImagePath, bytes], contents: Contents
) -> Slimmed:
    """An image of which all is used; gone is what the file lists of its packages name and it does not have."""
    there = tuple(entries)
    tree = Tree((*there, *_lost(packages, Tree(there))))
    selected = tuple(Selected(entry.path, (Reason("kept"),)) for entry in there)
    return Slimmed(tree, packages, captured, selected, contents, Contents(frozenset(), {}, {}), Tree(()))


def _lost(packages: Iterable[Package], tree: Tree) -> Iterator[Entry]:
    """A file list does not tell directories from files: what has others below it is one."""
    owners = {path: package.name for package in packages for path in installed.places(package, tree)}
    folders = {parent(path) for path in owners}
    for path, owner in owners.items():
        if path not in tree and path not in folders and path not in _MOUNTED:
            yield Entry(path, "file", 0, package=owner)


def components(slimmed: Slimmed) -> tuple[Component, ...]:
    """All of them, each once, sorted."""
    return merged([*_packages(slimmed), *_base_packages(slimmed), *_languages(slimmed), *_archives(slimmed)])


def _packages(slimmed: Slimmed) -> Iterator[Component]:
    """The distribution's, of the fat image."""
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in slimmed.tree:
        if entry.package and entry.type != "dir":
            members[entry.package].append(entry)
    sources = dpkg.sources(slimmed.captured)
    for package in slimmed.packages:
        mine = [entry.path for entry in members[package.name]]
        if any(path in slimmed.used for path in mine):
            yield _of_package(package, sources, slimmed.balance.of(mine), slimmed)


def _base_packages(slimmed: Slimmed) -> Iterator[Component]:
    """Those that the base's package database has: what it says that they bring, against what is there."""
    sources = dpkg.sources(slimmed.base.files)
    balance = Balance(slimmed.base_tree, slimmed.contents.paths)
    for package in installed.packages(slimmed.base.files):
        there = installed.places(package, slimmed.base_tree)
        files = [path for path in there if (entry := slimmed.base_tree.lookup(path)) and entry.type != "dir"]
        if files:
            yield _of_package(package, sources, balance.of(files), slimmed)


def _of_package(
    package: Package, sources: Mapping[str, tuple[str, str]], extent: Extent, slimmed: Slimmed
) -> Component:
    name = plain_name(package)
    url = of_package(package, sources.get(package.name, (package.source or name, "")), slimmed.os_release)
    return Component(type_of(package), name, package.version, url, **extent)


def _languages(slimmed: Slimmed) -> Iterator[Component]:
    """Those of languages: by what the fat image has of them, and by metadata that lie in the slim one besides."""
    distributions = Distributions.of(slimmed.tree, slimmed.captured)
    identities = {one.place: one for one in _identities(slimmed.contents.files)}
    packaged = {one.name: one.paths for one in distributions.all if one.name.startswith(("deb/", "apk/"))}
    for distribution in distributions.all:
        if any(path in slimmed.used for path in distribution.paths):
            known = identities.pop(distribution.place, None)
            yield from _of_distribution(distribution, known, slimmed)
        else:
            identities.pop(distribution.place, None)
    for _, identity in sorted(identities.items()):
        yield _of_identity(identity, slimmed.balance.of(_around(identity, packaged, slimmed.tree)))


def _identities(files: Mapping[ImagePath, bytes]) -> Iterator[Identity]:
    for path, content in sorted(files.items()):
        identity = told(path, content)
        if identity is not None:
            yield identity


def _of_distribution(one: Distribution, identity: Identity | None, slimmed: Slimmed) -> Iterator[Component]:
    kind, _, name = one.name.partition("/")
    extent = slimmed.balance.of(one.paths)
    if identity is not None:
        yield _of_identity(identity, extent)
    elif kind in _OF_TOOLS:  # its metadata was dropped
        yield _of_identity(Identity(kind, name, "", one.place), extent)
    elif not name and not any(entry.package for path in one.paths if (entry := slimmed.tree.lookup(path))):
        yield Component("generic", kind.lower(), "", purl("generic", kind.lower()), places=(one.place,), **extent)


def _of_identity(identity: Identity, extent: Extent) -> Component:
    url = of_language(identity.type, identity.name, identity.version)
    return Component(identity.type, identity.name, identity.version, url, places=(identity.place,), **extent)


def _around(identity: Identity, packaged: Mapping[str, Iterable[ImagePath]], tree: Tree) -> Iterable[ImagePath]:
    """The files that metadata without a list of files stand for; of Python, their system package's in its tree."""
    inside = [entry for path in (identity.place, *tree.below(identity.place)) if (entry := tree.lookup(path))]
    files = [entry.path for entry in inside if entry.type != "dir"]
    if identity.type == "npm":  # an app, or what lies in a folder that is not named node_modules
        if identity.place == "/":
            return [ImagePath("/package.json")]
        return [path for path in files if "/node_modules/" not in path.removeprefix(identity.place)]
    owners = sorted({entry.package for entry in inside if entry.package}) if identity.type == "pypi" else ()
    return [path for name in owners for path in packaged.get(name, ())] or files


def _archives(slimmed: Slimmed) -> Iterator[Component]:
    """Java's; an archive is one file, which stays or goes."""
    for path, artifacts in sorted(slimmed.contents.archives.items()):
        for one in artifacts:
            url = purl("maven", one.name, one.version, one.group.replace("/", "")) if one.group else ""
            yield Component("maven", one.name, one.version, url, group=one.group, places=(path,), kept=1)
