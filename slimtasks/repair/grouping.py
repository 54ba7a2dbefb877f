"""Few lines for many paths: a pattern, a package or a preset where that takes hardly anything besides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from slimtasks.records import Entry, ImagePath, bare_name
from slimtasks.repair.lines import Line, Lost
from slimtasks.rootfs import parents
from slimtasks.selection.image import FatImage
from slimtasks.selection.presets import PRESETS, taken_by
from slimtasks.selection.spec_lines import pattern_of

LEAST = 3  # lines that one has to stand for
MOST_BESIDES = 64_000  # bytes of files that nobody asked for


@dataclass(frozen=True)
class Part:
    """A line, the paths that it brings back, and the bytes of all that it takes."""

    line: Line
    lost: tuple[Lost, ...]
    size: int


def parts_of(lost: Iterable[Lost], image: FatImage, kept: Collection[str]) -> tuple[Part, ...]:
    """Lines for paths of the fat image, smallest first; each path is in one of them.

    Of the lines that stand for at least LEAST others and take at most MOST_BESIDES besides, the one that stands for
    most comes first, then the next for what is left. A pattern has to find most of what it takes among the paths.
    """
    left, found = dict(lost), []
    while best := max(_groups(left, image, kept), key=_worth, default=None):
        found.append(best)
        for path, _ in best.lost:
            del left[path]
    alone = {line: tuple(one for one in left.items() if one[1] == line) for line in left.values()}
    found += [Part(line, several, _size((path for path, _ in several), image)) for line, several in alone.items()]
    return tuple(sorted(found, key=lambda part: (part.size, part.line)))


def _worth(part: Part) -> tuple[int, int, str]:
    """Keys of longer names say more of what is meant."""
    return len(part.lost), -part.size, part.line.key


def _groups(left: Mapping[ImagePath, Line], image: FatImage, kept: Collection[str]) -> Iterator[Part]:
    """The lines that stand for several of the paths."""
    for line, taken in _lines(left, image):
        lacking = {entry.path for entry in taken if entry.type != "dir" and entry.path not in kept}
        brought = {path: other for path, other in left.items() if path in lacking}
        size = _size(lacking, image)
        if len(set(brought.values())) < LEAST or size - _size(brought, image) > MOST_BESIDES:
            continue
        if line.key != "keep" or 2 * len(brought) >= len(lacking):
            yield Part(line, tuple(brought.items()), size)


def _lines(left: Collection[ImagePath], image: FatImage) -> Iterator[tuple[Line, list[Entry]]]:
    """Each line that may stand for several of the paths, and what it takes of the fat image."""
    tree = image.tree
    for directory in sorted({above for path in left for above in parents(path)[2:]}):
        yield Line("keep", f"{pattern_of(directory)}/**"), [*_entries(tree.below(directory), image)]
    owners = {entry.package for entry in _entries(left, image) if entry.package}
    for package in sorted(owners):
        yield Line("keep-packages", bare_name(package)), [entry for entry in tree if entry.package == package]
    for name in PRESETS:
        yield Line("keep-presets", name), [*_entries(taken_by(name, image), image)]


def _entries(paths: Iterable[ImagePath], image: FatImage) -> Iterator[Entry]:
    return (entry for path in paths if (entry := image.tree.lookup(path)) is not None)


def _size(paths: Iterable[ImagePath], image: FatImage) -> int:
    """Bytes of the files; of one with several names once."""
    return sum({entry.hardlink or entry.path: entry.size for entry in _entries(paths, image)}.values())
