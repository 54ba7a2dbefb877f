"""An image's file tree, and how the kernel walks through it (path_resolution(7))."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from slimtasks.records import Elf, Entry, ImagePath

ROOT = ImagePath("/")
MOST_LINKS = 40  # symlinks that the kernel follows in one path before it says ELOOP


_ENGINES = re.compile(
    r"/(?:proc|sys|dev)/.+|/etc/(?:hosts|resolv\.conf|hostname)|/\.dockerenv|/run/\.containerenv", re.DOTALL
)


def is_engines(path: str) -> bool:
    """Whether the engine puts the path into every container, or mounts over it: it is never ours to ship."""
    return _ENGINES.fullmatch(path) is not None


def normalise(path: str) -> ImagePath:
    """The path made absolute, without `.`, `//` and trailing `/`; `..` is taken off lexically."""
    if path.startswith("/") and "//" not in path and "/." not in path and (path[-1] != "/" or path == "/"):
        return ImagePath(path)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part and part != ".":
            parts.append(part)
    return ImagePath("/" + "/".join(parts))


def join(directory: str, name: str) -> ImagePath:
    """The path of `name` (one component) in `directory`."""
    return ImagePath(f"{directory}/{name}" if directory != "/" else f"/{name}")


def parent(path: str) -> ImagePath:
    """The directory that holds `path`; the root is its own."""
    return ImagePath(path.rpartition("/")[0] or "/")


def parents(path: str) -> tuple[ImagePath, ...]:
    """The directories above `path`, root first, without `path` itself: /a/b -> /, /a."""
    found = []
    while path != "/":
        path = parent(path)
        found.append(path)
    return tuple(ImagePath(p) for p in reversed(found))


def is_below(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or anything in it."""
    return directory == "/" or path == directory or path.startswith(directory + "/")


@dataclass(frozen=True)
class Walk:
    """How a path was resolved: the symlinks passed, in order, and what stands at the end."""

    passed: tuple[ImagePath, ...]
    final: Entry | None  # None where the path leads nowhere, or round in circles
    resolved: ImagePath  # where it ends; for a path that leads nowhere, as far as it is known, and the rest of it
    left: tuple[ImagePath, ...] = ()  # the directories aside of these ways that `..` left again: they have to be there


class Tree:
    """The paths of an image. Directories that are only implied by what they hold are 0755 root:root."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: dict[str, Entry] = {entry.path: entry for entry in entries}
        self._add_implied()
        self.paths: tuple[ImagePath, ...] = tuple(ImagePath(p) for p in sorted(self._entries))
        self._children: dict[str, list[ImagePath]] | None = None

    def _add_implied(self) -> None:
        for path in list(self._entries):
            while path != "/":
                path = parent(path)
                if path in self._entries:
                    break
                self._entries[path] = Entry(path, "dir", 0o755)
        self._entries.setdefault(ROOT, Entry(ROOT, "dir", 0o755))

    def __iter__(self) -> Iterator[Entry]:
        """The entries, sorted by path."""
        return (self._entries[path] for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __contains__(self, path: object) -> bool:
        return path in self._entries

    def directories(self) -> frozenset[ImagePath]:
        return frozenset(entry.path for entry in self._entries.values() if entry.type == "dir")

    def lookup(self, path: str) -> Entry | None:
        """The entry with exactly this path; no symlink is followed."""
        return self._entries.get(path)

    def elf(self, entry: Entry | None) -> Elf | None:
        """What ld.so reads of a file, whichever of its hard links the entry is."""
        if entry is not None and entry.hardlink and entry.elf is None:
            entry = self._entries.get(entry.hardlink)
        return entry.elf if entry is not None and entry.type == "file" else None

    def children(self, path: str) -> tuple[ImagePath, ...]:
        """The paths directly in the directory `path`, sorted."""
        if self._children is None:
            self._children = {}
            for child in self.paths[1:]:
                self._children.setdefault(child.rpartition("/")[0] or "/", []).append(child)
        return tuple(self._children.get(path, ()))

    def below(self, path: str) -> tuple[ImagePath, ...]:
        """All paths in the directory `path`, at any depth, sorted; not `path` itself."""
        if path == "/":
            return self.paths[1:]
        return self.paths[bisect_left(self.paths, path + "/") : bisect_left(self.paths, path + "0")]

    def walk(self, path: str, follow_last: bool = True) -> Walk:
        """Resolves `path` as the kernel does, from the image's root; `..` is the parent of where the walk has come."""
        found = self._entries.get(path)
        if found is not None and not (follow_last and found.type == "link"):
            return Walk((), found, found.path)  # what is above an entry are directories, never symlinks
        rest = path.split("/")[::-1]
        here = ""  # "" is the root
        passed: list[ImagePath] = []
        left: list[ImagePath] = []
        found = self._entries[ROOT]
        while rest:
            name = rest.pop()
            if not name or name == ".":
                continue
            if name == "..":
                left.append(ImagePath(here or "/"))
                here = here.rpartition("/")[0]
                found = self._entries[here or "/"]
                continue
            here = f"{here}/{name}"
            found = self._entries.get(here)
            if found is None:
                break
            if found.type == "link" and (follow_last or any(rest)):
                passed.append(found.path)
                if len(passed) > MOST_LINKS:
                    return Walk(tuple(dict.fromkeys(passed)), None, found.path)
                here = "" if found.target.startswith("/") else here.rpartition("/")[0]
                rest.extend(found.target.split("/")[::-1])
                found = self._entries[here or "/"]
            elif found.type != "dir" and any(part != "." for part in rest if part):
                found = None
                break
        resolved = normalise("/".join([here, *reversed(rest)])) if rest else ImagePath(here or "/")
        aside = (place for place in left if not any(is_below(path, place) for path in (*passed, resolved)))
        return Walk(tuple(passed), found, resolved, tuple(aside))

    def match(self, pattern: str) -> tuple[ImagePath, ...]:
        """The paths that a glob names, sorted. Symlinks in its part before the first wildcard are followed.

        `*`, `?` and `[...]` match within one name (also a leading dot), `**` any number of whole names:
        `/a/**` is /a and everything below it. A pattern without wildcards names just one path.
        """
        head, tail = _split(pattern)
        if not tail:
            place = self.walk(head, follow_last=False)
            return (place.resolved,) if place.final else ()
        place = self.walk(head)
        if place.final is None:
            return ()
        directory = place.resolved
        matches = _regex(tail).fullmatch
        skip = 0 if directory == "/" else len(directory)
        names = ((path, path[skip:] if path != "/" else "") for path in (directory, *self.below(directory)))
        return tuple(path for path, name in names if matches(name))

    def way(self, pattern: str) -> tuple[ImagePath, ...]:
        """The symlinks that `match` follows."""
        head, tail = _split(pattern)
        return self.walk(head, follow_last=bool(tail)).passed


def globbed(pattern: str) -> bool:
    """Whether the pattern has wildcards."""
    return any(char in pattern for char in "*?[")


def _split(pattern: str) -> tuple[str, str]:
    """The directory before the first wildcard, and the rest ("" where there is no wildcard)."""
    if not globbed(pattern):
        return "/" + pattern.lstrip("/"), ""
    head: list[str] = []
    parts = [part for part in pattern.split("/") if part and part != "."]
    while parts and not globbed(parts[0]):
        head.append(parts.pop(0))
    return "/" + "/".join(head), "/".join(parts)


@lru_cache(maxsize=256)
def _regex(tail: str) -> re.Pattern[str]:
    """A pattern for what follows the directory: '' or '/name/name'."""
    parts = (r"(?:/[^/]+)*" if part == "**" else "/" + _name(part) for part in tail.split("/"))
    return re.compile("".join(parts), re.DOTALL)


def _name(glob: str) -> str:
    result, at = "", 0
    while at < len(glob):
        char = glob[at]
        at += 1
        end = glob.find("]", at + 1)
        if char == "*":
            result += "" if result.endswith("[^/]*") else "[^/]*"
        elif char == "?":
            result += "[^/]"
        elif char == "[" and end > 0:
            result += _characters(glob[at:end])
            at = end + 1
        else:
            result += re.escape(char)
    return result


def _characters(inside: str) -> str:
    """A bracket expression; one that re would refuse, as [z-a], stands for itself."""
    negated = inside[0] in "!^"
    body = re.sub(r"([\\\[\]&~|^])", r"\\\1", inside[1:] if negated else inside)
    regex = f"[^/{body}]" if negated else f"(?!/)[{body}]"
    try:
        re.compile(regex)
    except re.error:
        return re.escape(f"[{inside}]")
    return regex
