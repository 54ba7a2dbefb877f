"""trace.lock.jsonl: a trace to be committed, with what tells later whether it still fits the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace

from slimtasks.oci.digest import UNREAD
from slimtasks.records import WRITES, Access, Entry, ImagePath, Package
from slimtasks.rootfs import Tree, is_engines
from slimtasks.sizes import count
from slimtasks.trace.summary import reached
from slimtasks.trace.union import merged

_MADE = WRITES - {"write"}  # what the run made or took away itself, the next one will, too
_LISTED = 10  # packages that a message names, where their paths are missing
_NOTED = 3  # where they have just changed


@dataclass(frozen=True)
class Locked(Access):
    """One access, and what it met in the fat image; without a `type` it needs nothing there."""

    type: str = ""  # of what the path leads to; of a symlink that was read, its own
    package: str = ""  # 'deb/libc6'
    version: str = ""  # of that package
    digest: str = ""  # sha256 of a file's content, hex; empty where it is another one with each build


@dataclass(frozen=True)
class Contents:
    """What is in the image that a lock is made of, or checked against."""

    tree: Tree
    versions: Mapping[str, str]  # of the packages, by name
    added: Collection[str] = ()  # paths that `add:` brings, whether or not the image has them

    @classmethod
    def of(cls, entries: Iterable[Entry], packages: Iterable[Package], added: Collection[str] = ()) -> Contents:
        return cls(Tree(entries), {package.name: package.version for package in packages}, added)

    def met(self, path: str, how: str) -> Entry | None:
        """What that way of using the path meets."""
        return self.tree.walk(path, follow_last=how != "readlink").final

    def version(self, entry: Entry) -> str:
        return self.versions.get(entry.package, "")


@dataclass(frozen=True)
class Misfit:
    """A path that the lock needs, and the image does not have as such."""

    locked: Locked
    found: str = ""  # of which type it is now; empty: it is not there

    def __str__(self) -> str:
        path, before = self.locked.path, self.locked.type
        return f"{path} (was a {before}, is a {self.found})" if self.found else path


@dataclass(frozen=True)
class Fit:
    """What came of the check."""

    accesses: tuple[Access, ...]  # where nothing is missing, the trace of the image as it is now
    misfits: tuple[Misfit, ...]
    changes: tuple[str, ...]  # which are no error, most files first: 'deb/libc6 2.36-9 -> 2.36-10 (3 files)'
    needed: int  # paths


def locked(accesses: Iterable[Access], image: Contents) -> tuple[Locked, ...]:
    """The accesses of a trace of that image, for its lock."""
    accesses = tuple(accesses)
    made = {access.path for access in accesses if access.how in _MADE}
    return tuple(_locked(access, image, made) for access in accesses)


def fit(lock: Iterable[Locked], image: Contents) -> Fit:
    """Whether the image has all that the lock needs; what the trace of it is then."""
    lock = tuple(lock)
    moved = _moved(lock, image)
    accesses: list[Access] = []
    misfits: list[Misfit] = []
    changed: dict[str, set[str]] = defaultdict(set)
    for line in lock:
        gone = line.type and image.met(line.path, line.how) is None
        for path in moved.get(line.path, [line.path]) if gone else [line.path]:
            accesses.append(_access(line, path, image.tree))
            entry = image.met(path, line.how)
            if not line.type or path in image.added:
                continue
            if entry is None or entry.type != line.type:
                misfits.append(Misfit(line, entry.type if entry else ""))
            elif entry.type == "file" and (change := _change(line, entry, image)):
                changed[change].add(entry.path)
    needed = {line.path for line in lock if line.type}
    return Fit(merged(accesses), tuple(misfits), _listed(changed), len(needed))


def noted(changes: Collection[str]) -> str:
    """The changes in one line, as far as it goes; empty for none."""
    more = [f"{len(changes) - _NOTED} more"] * (len(changes) > _NOTED)
    return ", ".join([*list(changes)[:_NOTED], *more])


def explained(misfits: Iterable[Misfit], image: Contents) -> str:
    """The misfits by the package that had them, a line each, as far as it goes."""
    found: dict[tuple[str, str], dict[str, Misfit]] = defaultdict(dict)
    for misfit in misfits:
        found[misfit.locked.package, misfit.locked.version].setdefault(misfit.locked.path, misfit)
    groups = sorted(found.items(), key=lambda group: (-len(group[1]), group[0]))
    lines = [f"  {_state(*package, image)}: {_some(tuple(paths.values()))}" for package, paths in groups[:_LISTED]]
    more = [f"  and of {count(len(groups) - _LISTED, 'more package')}"] * (len(groups) > _LISTED)
    return "\n".join([*lines, *more])


def _locked(access: Access, image: Contents, made: Collection[str]) -> Locked:
    values = {field.name: getattr(access, field.name) for field in fields(Access)}
    entry = image.met(access.path, access.how)
    needs = access.how not in WRITES | {"miss"} and access.path not in made and access.path not in image.added
    if entry is None or not needs or is_engines(access.path) or is_engines(entry.path):
        return Locked(**values)
    return Locked(**values, type=entry.type, package=entry.package, version=image.version(entry), digest=_digest(entry))


def _moved(lock: Iterable[Locked], image: Contents) -> Mapping[str, Collection[ImagePath]]:
    """What symlinks led to then, to what they lead to now: another version of a library, of an interpreter."""
    moved: dict[str, dict[ImagePath, None]] = defaultdict(dict)
    for line in lock:
        entry = image.met(line.path, line.how) if line.type and line.reached else None
        if entry is not None and entry.type == line.type:
            moved[line.reached][entry.path] = None
    return moved


def _access(line: Locked, path: ImagePath, tree: Tree) -> Access:
    values = {field.name: getattr(line, field.name) for field in fields(Access)}
    return replace(Access(**values), path=path, reached=reached(path, line.how, tree))


def _change(line: Locked, entry: Entry, image: Contents) -> str:
    """How the package that brings the file differs; empty where it does not, and the file is the same."""
    if entry.package != line.package:
        return f"{line.package or 'no package'} -> {entry.package or 'no package'}"
    if image.version(entry) != line.version:
        return f"{entry.package} {line.version} -> {image.version(entry)}"
    if _digest(entry) != line.digest:
        return f"{entry.package} {line.version}" if entry.package else "no package"
    return ""


def _digest(entry: Entry) -> str:
    return "" if entry.path.endswith(UNREAD) else entry.digest


def _listed(changed: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    ordered = sorted(changed.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(f"{change} ({count(len(paths), 'file')})" for change, paths in ordered)


def _state(package: str, version: str, image: Contents) -> str:
    if not package:
        return "no package"
    now = image.versions.get(package)
    return f"{package} {version} ({'not installed now' if now is None else f'now {now}'})"


def _some(misfits: tuple[Misfit, ...]) -> str:
    return f"{misfits[0]} and {len(misfits) - 1} more" if len(misfits) > 1 else str(misfits[0])
