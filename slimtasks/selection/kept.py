"""The growing set of what stays: each path with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slimtasks.records import Entry, ImagePath, Reason
from slimtasks.rootfs import Tree, Walk, is_engines, parents
from slimtasks.spec import Rule

ORDER = {kind: at for at, kind in enumerate(("traced", "asked", "needed", "own", "kept", "package", "metadata"))}
MOST_OF_A_KIND = 4  # reasons; libc is needed by hundreds


class Kept:
    """Paths of the tree that stay. What `drop` took, `add` writes or the engine brings never gets in."""

    def __init__(self, tree: Tree, dropped: Mapping[ImagePath, Rule], added: frozenset[ImagePath]) -> None:
        self.tree = tree
        self.dropped = dropped
        self.added = added
        self.fresh: list[Entry] = []  # files and links whose own needs nobody has looked at yet
        self._reasons: dict[ImagePath, dict[Reason, None]] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._reasons

    def __iter__(self) -> Iterator[ImagePath]:
        return iter(sorted(self._reasons))

    def __len__(self) -> int:
        return len(self._reasons)

    def kinds(self, path: ImagePath) -> frozenset[str]:
        """The kinds of reason for which the path stays."""
        return frozenset(reason.kind for reason in self._reasons[path])

    def reasons(self, path: ImagePath) -> tuple[Reason, ...]:
        """Why the path stays, in the order of the design's table."""
        if len(self._reasons[path]) == 1:
            return tuple(self._reasons[path])
        by_kind: dict[str, list[Reason]] = {}
        for reason in sorted(self._reasons[path], key=lambda r: (ORDER.get(r.kind, 9), r.detail)):
            by_kind.setdefault(reason.kind, []).append(reason)
        return tuple(reason for reasons in by_kind.values() for reason in reasons[:MOST_OF_A_KIND])

    def keep(self, path: ImagePath, reason: Reason) -> bool:
        """Keeps the path of the tree, no symlink followed; False where it may not stay or does not exist."""
        known = self._reasons.get(path)
        if known is not None:
            known[reason] = None
            return True
        entry = self.tree.lookup(path)
        if entry is None or path in self.dropped or is_engines(path) or (path in self.added and entry.type != "dir"):
            return False
        self._reasons[path] = {reason: None}
        if entry.type in ("file", "link"):
            self.fresh.append(entry)
        return True

    def follow(self, path: str, reason: Reason) -> Walk:
        """Keeps what the path leads to, and every symlink passed on the way."""
        walk = self.tree.walk(path)
        if walk.final is not None and self.keep(walk.final.path, reason):
            self.keep_passed(walk, path, reason)
        return walk

    def keep_passed(self, walk: Walk, path: str, reason: Reason) -> None:
        """Keeps the symlinks that `path` took; one that it names itself for the same reason as its target.

        And the directories that it went into and out of again, by `..`.
        """
        for directory in walk.left:
            self.keep(directory, Reason("needed", f"on the way to {walk.resolved}", walk.resolved))
        for link in walk.passed:
            way = Reason("needed", f"symlink on the way to {walk.resolved}", walk.resolved)
            self.keep(link, reason if link == path else way)

    def generate(self, path: ImagePath, reason: Reason) -> bool:
        """Keeps a path that the tree need not have, as what it holds is made; False where it may not stay."""
        if path in self.added or any(place in self.dropped for place in (path, *parents(path))):
            return False
        self._reasons.setdefault(path, {})[reason] = None
        return True
