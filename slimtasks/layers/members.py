"""What of an image could be in a layer that others have, too: files as their packages brought them.

A member is named `package:path`. Its bytes in a layer tell nothing of the image that it was taken from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from slimtasks.records import Entry, ImagePath, Selected
from slimtasks.rootfs import join, parent

Brought = Callable[[Entry], int | None]
"""The mtime (seconds since 1970) of an entry in a shared layer; None where it is not as its package brought it."""


@dataclass(frozen=True)
class Bundle:
    """Files that go into one layer together: all names of an inode, a library and its soname link."""

    members: tuple[str, ...]  # 'deb/libc6:/usr/lib/x86_64-linux-gnu/libc.so.6', sorted
    entries: tuple[Entry, ...]  # as they stand in a layer, sorted by path

    @cached_property
    def size(self) -> int:
        return size_of(self.entries)


def size_of(entries: Iterable[Entry]) -> int:
    """Bytes of the content; hardlinks once."""
    return sum({entry.hardlink or entry.path: entry.size for entry in entries}.values())


def member(package: str, path: str) -> str:
    return f"{package}:{path}"


def split(name: str) -> tuple[str, ImagePath]:
    """The package and the path; ValueError where it is no member's name."""
    package, colon, path = name.partition(":/")
    if not colon or not package or package != package.strip():
        raise ValueError(name)
    return package, ImagePath("/" + path)


def bundles(entries: Mapping[ImagePath, Entry], selected: Iterable[Selected], brought: Brought) -> tuple[Bundle, ...]:
    """What could be shared of the selection, sorted; `entries` has at least all that is selected, by path.

    All selected names of an inode have to be as their package brought them, or none of them is taken.
    """
    shared: dict[ImagePath, Entry] = {}
    inodes: dict[str, list[ImagePath]] = defaultdict(list)
    for choice in selected:
        entry = entries.get(choice.path)
        if entry is None or entry.type == "dir":
            continue
        inodes[entry.hardlink or entry.path].append(entry.path)
        made = choice.content or choice.target or choice.source not in ("", choice.path)
        copied = any(reason.kind == "own" for reason in choice.reasons)  # maybe over a package's file, and as old
        if not (made or copied) and (found := _shared(entry, entries, brought)):
            shared[entry.path] = found
    whole = [paths for paths in inodes.values() if all(path in shared for path in paths)]
    taken = {path for paths in whole for path in paths}
    names = {path: _name(path, entries, taken) for path in taken}
    return tuple(
        Bundle(
            tuple(sorted({names[path] for path in paths})),
            tuple(shared[path] for path in sorted(paths)),
        )
        for paths in _together(whole, names)
    )


def _shared(entry: Entry, entries: Mapping[ImagePath, Entry], brought: Brought) -> Entry | None:
    """The entry as it stands in a layer; None where it is the image's own."""
    source = entries.get(source_of(entry.path)) if entry.path.endswith(".pyc") and not entry.package else entry
    if source is None or not source.package or entry.type not in ("file", "link") or not _writable(entry.path):
        return None
    mtime = brought(source)
    return None if mtime is None else replace(entry, mtime=mtime, layer=0, package="", elf=None, script="")


def source_of(path: str) -> ImagePath:
    """The Python file that a `.pyc` was compiled from (PEP 3147), which says whose it is; else the path itself."""
    folder, file = parent(path), path.rpartition("/")[2]
    if not folder.endswith("/__pycache__") or not file.endswith(".pyc"):
        return ImagePath(path)
    return join(parent(folder), file.partition(".")[0] + ".py")


def _writable(path: str) -> bool:
    """Whether the lock, a text with a line for each, can hold it."""
    return path.isprintable() and path == path.rstrip()


def _name(path: ImagePath, entries: Mapping[ImagePath, Entry], taken: Collection[ImagePath]) -> str:
    """A versioned library is named by its soname link, so that its own name may change with each version."""
    entry = entries[path]
    if entry.elf and entry.elf.soname and "/" not in entry.elf.soname:
        link = entries.get(join(parent(path), entry.elf.soname))
        if (
            link is not None
            and link.path in taken
            and link.type == "link"
            and link.package == entry.package
            and link.target in (path, path.rpartition("/")[2])
        ):
            return member(link.package, link.path)
    return member(entry.package or entries[source_of(path)].package, path)


def _together(whole: Sequence[Sequence[ImagePath]], names: Mapping[ImagePath, str]) -> list[list[ImagePath]]:
    """The paths that have a name or an inode in common, sorted by the first of their names."""
    home: dict[str, list[ImagePath]] = {}
    for paths in whole:
        others = {id(home[name]): home[name] for path in paths if (name := names[path]) in home}
        joined = [*paths, *(path for other in others.values() for path in other)]
        for path in joined:
            home[names[path]] = joined
    found = {id(paths): paths for paths in home.values()}
    return sorted(found.values(), key=lambda paths: min(names[path] for path in paths))
