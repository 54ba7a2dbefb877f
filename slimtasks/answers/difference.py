"""In what two images differ: paths, and bytes by package."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from slimtasks.answers.sides import TreeSide
from slimtasks.records import Entry, ImagePath


@dataclass(frozen=True)
class Field:
    """One thing that differs; of a content the digests (sha256)."""

    name: str  # type | mode | owner | content | link | hardlink | device | attributes
    before: str
    after: str


@dataclass(frozen=True)
class Lone:
    """A path that only one of them has."""

    path: ImagePath
    type: str
    size: int  # bytes; 0 for a further name of an inode
    target: str  # of a symlink
    package: str


@dataclass(frozen=True)
class Changed:
    """A path that both have."""

    path: ImagePath
    fields: tuple[Field, ...]
    before: int  # size, bytes
    after: int
    package: str


@dataclass(frozen=True)
class OfPackage:
    """What differs in one package; '' stands for what no package owns."""

    package: str
    version_before: str
    version_after: str
    added: int  # paths
    removed: int
    changed: int
    size_added: int  # bytes, less those that go


@dataclass(frozen=True)
class Difference:
    """From `before` to `after`, by path."""

    before: str
    after: str
    size_before: int  # bytes of contents
    size_after: int
    added: tuple[Lone, ...]
    removed: tuple[Lone, ...]
    changed: tuple[Changed, ...]
    packages: tuple[OfPackage, ...] = ()  # most bytes first
    config: tuple[Field, ...] = ()

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.changed or self.config)


def difference(before: TreeSide, after: TreeSide) -> Difference:
    """Modification times are no difference."""
    old = {entry.path: entry for entry in before.entries}
    new = {entry.path: entry for entry in after.entries}
    gone = [entry for entry in before.entries if entry.path not in new]
    come = [entry for entry in after.entries if entry.path not in old]
    both = [
        (old[entry.path], entry)
        for entry in after.entries
        if entry.path in old and _shape(old[entry.path]) != _shape(entry)
    ]
    packages = _Packages(before, after) if gone or come or both else None

    def package(path: ImagePath) -> str:
        return packages.of(path) if packages else ""

    added = tuple(_path(entry, package(entry.path)) for entry in come)
    removed = tuple(_path(entry, package(entry.path)) for entry in gone)
    changed = tuple(
        Changed(two.path, tuple(fields(one, two)), _size(one), _size(two), package(two.path)) for one, two in both
    )
    return Difference(
        before=before.name,
        after=after.name,
        size_before=sum(map(_size, before.entries)),
        size_after=sum(map(_size, after.entries)),
        added=added,
        removed=removed,
        changed=changed,
        packages=packages.told(added, removed, changed) if packages else (),
        config=tuple(_config(before, after)),
    )


class _Packages:
    """Who owns what, as either side knows."""

    def __init__(self, before: TreeSide, after: TreeSide) -> None:
        self._before, self._after = before, after
        self._owners = {**before.owners(), **after.owners()}

    def of(self, path: ImagePath) -> str:
        return self._owners.get(path, "")

    def told(self, added: Iterable[Lone], removed: Iterable[Lone], changed: Iterable[Changed]) -> tuple[OfPackage, ...]:
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        ways = [
            *((path.package, 0, path.size) for path in added),
            *((path.package, 1, -path.size) for path in removed),
            *((path.package, 2, path.after - path.before) for path in changed),
        ]
        for package, way, size in ways:
            counts[package][way] += 1
            counts[package][3] += size
        old, new = self._before.versions(), self._after.versions()
        found = (OfPackage(name, old.get(name, ""), new.get(name, ""), *counted) for name, counted in counts.items())
        return tuple(sorted(found, key=lambda of: (-abs(of.size_added), of.package)))


def _shape(entry: Entry) -> tuple[object, ...]:
    """All that is compared."""
    content = (entry.size, entry.digest) if entry.type == "file" else ()
    return (
        entry.type, entry.mode if entry.type != "link" else 0, entry.uid, entry.gid,
        content, entry.target, entry.hardlink, entry.device, entry.xattrs,
    )  # fmt: skip


def fields(old: Entry, new: Entry) -> Iterator[Field]:
    """In what two entries differ, less their dates."""
    told = (
        ("type", old.type, new.type),
        ("mode", _mode(old), _mode(new)),
        ("owner", f"{old.uid}:{old.gid}", f"{new.uid}:{new.gid}"),
        ("link", old.target, new.target),
        ("content", old.digest, new.digest),
        ("hardlink", old.hardlink, new.hardlink),
        ("device", ":".join(map(str, old.device)), ":".join(map(str, new.device))),
        ("attributes", _attributes(old), _attributes(new)),
    )
    for name, before, after in told:
        if before != after:
            yield Field(name, before, after)


def _mode(entry: Entry) -> str:
    return "" if entry.type == "link" else f"{entry.mode:04o}"


def _attributes(entry: Entry) -> str:
    return ", ".join(f"{name}={value}" for name, value in entry.xattrs)


def _size(entry: Entry) -> int:
    return 0 if entry.hardlink else entry.size


def _path(entry: Entry, package: str) -> Lone:
    return Lone(entry.path, entry.type, _size(entry), entry.target, package)


def _config(before: TreeSide, after: TreeSide) -> Iterator[Field]:
    for key in sorted({*before.config, *after.config}):
        old, new = before.config.get(key) or None, after.config.get(key) or None
        if old != new:
            yield Field(key, as_json(old), as_json(new))


def as_json(value: object) -> str:
    """What a Field says of a part of a config; nothing of none."""
    return "" if value is None else json.dumps(value)
