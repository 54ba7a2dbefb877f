"""A selection on top of `final.base`: where its paths end up, and what the base has already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from slimtasks.records import Entry, ImagePath, Selected
from slimtasks.rootfs import Tree, join, normalise, parent

ACCOUNTS = frozenset(["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"])
WHO_WINS = (
    'say which wins: `keep: ["{path}"]` takes the fat image\'s, `drop: ["{path}"]` the base\'s, '
    "`add:` with this target a file of your own"
)


@dataclass(frozen=True)
class Merged:
    """The selection as it goes on top of the base."""

    selected: tuple[Selected, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]


def merge(selected: Sequence[Selected], fat: Tree, base: Tree) -> Merged:
    """Moves what the base has behind a symlink, leaves out what it has, and refuses what would hide its files."""
    placed: dict[ImagePath, Selected] = {}
    errors: list[str] = []
    replaced: list[ImagePath] = []
    for item in selected:
        place = _place(item, base)
        moved = item if place == item.path else _moved(item, place, fat)
        had, wanted = base.lookup(place), fat.lookup(item.path)
        error = _conflict(item, place, had, wanted, base)
        if error:
            errors.append(error)
        elif place in placed:
            if not _same(wanted, fat.lookup(placed[place].source or place), placed[place]):
                errors.append(f"{placed[place].source or place} and {item.path} both end up at {place} of the base")
        elif not _left_out(moved, had, wanted, place, base):
            placed[place] = moved
            if had is not None and had.type != "dir":
                replaced.append(place)
    notes = [_replacing(replaced)] if replaced else []
    return Merged(tuple(placed[place] for place in sorted(placed)), tuple(errors), tuple(notes))


def in_the_way(added: Iterable[ImagePath], base: Tree, whose: str = "base") -> list[str]:
    """What of the base, or of the fat image, `add:` cannot be laid over, a sentence each."""
    errors = []
    for path in sorted(added):
        folder = base.walk(parent(path))
        had = base.walk(path).final
        if folder.final is not None and folder.final.type != "dir":
            errors.append(f"add: {path}: the {whose}'s {folder.final.path} is a {_word(folder.final)}, not a directory")
        elif folder.resolved != parent(path):
            place = join(folder.resolved, path.rpartition("/")[2])
            errors.append(f"add: {path}: the {whose} has a symlink on the way; write its target as {place}")
        elif had is not None and had.type == "dir":
            errors.append(f"add: {path}: the {whose}'s {path} is a directory, whose files it would hide")
    return errors


def _place(item: Selected, base: Tree) -> ImagePath:
    """Where the path is in the merge: symlinks of the base on the way are followed."""
    return item.path if item.path == "/" else join(base.walk(parent(item.path)).resolved, item.path.rpartition("/")[2])


def _moved(item: Selected, place: ImagePath, fat: Tree) -> Selected:
    """The item at its new place; a relative symlink's target is made absolute, as it counts from the old one."""
    entry = fat.lookup(item.path)
    target = item.target
    if entry is not None and entry.type == "link" and not entry.target.startswith("/"):
        target = normalise(f"{parent(item.path)}/{entry.target}")
    return replace(item, path=place, source=item.path if entry is not None else item.source, target=target)


def _conflict(item: Selected, place: ImagePath, had: Entry | None, wanted: Entry | None, base: Tree) -> str:
    """What is wrong with putting it there; '' for nothing."""
    above = base.walk(parent(place)).final
    if above is not None and above.type != "dir":
        return f"the selection has {item.path}, but the base's {above.path} is a {_word(above)}"
    if had is None:
        return ""
    kind = _type(item, wanted)
    leads = base.walk(place).final
    base_directory = leads is not None and leads.type == "dir"
    if kind != "dir" and base_directory and not _same_link(item, wanted, place, leads, base):
        what = f"symlink to {wanted.target}" if wanted is not None and wanted.type == "link" else kind
        shown = "a directory" if had.type == "dir" else f"a symlink to the directory {had.target}"
        return f"the selection's {item.path} is a {what}, but the base's {place} is {shown}, whose files it would hide"
    if kind == "dir" and not base_directory:
        return f"the selection's {item.path} is a directory, but the base's {place} is a {_word(had)}"
    if place in ACCOUNTS and not _identical(wanted, had) and not any(r.kind == "kept" for r in item.reasons):
        return f"{place} of the fat image and of the base differ: {WHO_WINS.format(path=place)}"
    return ""


def _left_out(moved: Selected, had: Entry | None, wanted: Entry | None, place: ImagePath, base: Tree) -> bool:
    if had is None or moved.content:
        return False
    if had.type == "link":
        leads = base.walk(place).final
        if leads is not None and leads.type == "dir":
            return True  # a directory that the base has behind a symlink, or a link to the same
    return wanted is None or _identical(wanted, had)


def _identical(wanted: Entry | None, had: Entry) -> bool:
    """Same in all but the mtime."""
    if wanted is None:
        return False
    mine = (wanted.type, wanted.mode, wanted.uid, wanted.gid, wanted.target, wanted.device, wanted.xattrs)
    theirs = (had.type, had.mode, had.uid, had.gid, had.target, had.device, had.xattrs)
    if wanted.type == "link":
        return had.type == "link" and (wanted.target, wanted.uid, wanted.gid) == (had.target, had.uid, had.gid)
    return mine == theirs and (wanted.digest, wanted.size) == (had.digest, had.size)


def _same(wanted: Entry | None, other: Entry | None, placed: Selected) -> bool:
    if wanted is None or other is None:
        return False
    return (wanted.type == other.type == "dir") or (not placed.content and _identical(wanted, other))


def _same_link(item: Selected, wanted: Entry | None, place: ImagePath, leads: Entry | None, base: Tree) -> bool:
    """Whether the selection has the same symlink to a directory as the base."""
    if wanted is None or wanted.type != "link" or leads is None:
        return False
    had = base.lookup(place)
    asked = wanted.target if wanted.target.startswith("/") else f"{parent(item.path)}/{wanted.target}"
    return had is not None and had.type == "link" and base.walk(asked).resolved == leads.path


def _type(item: Selected, wanted: Entry | None) -> str:
    return wanted.type if wanted is not None else "file" if item.content else "dir"


def _word(entry: Entry) -> str:
    return "symlink to " + entry.target if entry.type == "link" else entry.type


def _replacing(places: Sequence[ImagePath]) -> str:
    some = ", ".join(places[:5]) + (", ..." if len(places) > 5 else "")
    return f"{len(places)} files of the base are replaced by the fat image's: {some}"
