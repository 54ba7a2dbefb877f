"""Which of the paths that a slim image was asked for in vain the fat image has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from slimtasks.records import Entry, ImagePath
from slimtasks.rootfs import Tree, Walk, is_engines
from slimtasks.selection.rules import Matched, dropped_by
from slimtasks.selection.spec_lines import pattern_of, spec_line
from slimtasks.spec import Rule


@dataclass(frozen=True)
class Missing:
    """A path that the app asked for in vain, and the line of the spec that helps."""

    path: ImagePath  # of the fat image
    line: str  # what to add, 'keep: ["/etc/passwd"]', or the rule that took it, 'drop: ["/etc/passwd"]'
    where: str = ""  # of the drop rule: file:line:column
    asked: str = ""  # on whose way it is: keeping that brings it back, too

    @property
    def advice(self) -> str:
        """What to do about it, in words."""
        return f"taken away by {self.line} at {self.where}" if self.where else f"would be kept by {self.line}"


def missing(
    asked: Iterable[ImagePath],
    tree: Tree,
    kept: Collection[str],
    drop: Iterable[Rule],
    *,
    in_vain: bool = True,
    toml: bool = False,
) -> tuple[Missing, ...]:
    """What of the paths the fat image has and the slim one lacks, in the same order.

    `in_vain`: they were looked up on the slim image; otherwise they were used on the fat one. `toml`: the spec is one.
    """
    rules = [Matched(rule, tree.match(rule.text)) for rule in drop]
    dropped = dropped_by(rules, tree)
    kept = frozenset(kept)
    found: dict[ImagePath, Missing] = {}
    for lookup in asked:
        for path in _lacking(lookup, tree, kept, dropped, in_vain):
            if path not in found:
                rule = dropped.get(path)
                key, text = ("drop", rule.text) if rule else ("keep", pattern_of(path))
                on_way = path in _way(tree.walk(lookup))
                found[path] = Missing(
                    path, spec_line(key, text, toml=toml), rule.where if rule else "", lookup if on_way else path
                )
    return tuple(found.values())


def _lacking(
    asked: str, tree: Tree, kept: frozenset[str], dropped: Collection[ImagePath], in_vain: bool
) -> Iterator[ImagePath]:
    """What of the way to `asked`, and of what running it takes, the fat image has and the slim one lacks.

    Where a rule took a part of it, that alone: the rest comes back with it.
    """
    walk = tree.walk(asked)
    if walk.final is None:
        return
    lacking = [path for path in _way(walk) if path not in kept and not is_engines(path)]
    yield from [path for path in lacking if path in dropped] or lacking
    if lacking or not in_vain:
        return
    # execve says ENOENT of a program that is there when its interpreter is not.
    for interpreter in _interpreters(walk.final, tree):
        runner = tree.walk(interpreter)
        yield from (path for path in _way(runner) if path not in kept)


def _way(walk: Walk) -> tuple[ImagePath, ...]:
    """The symlinks and what they lead to; nothing where that is nothing."""
    return (*walk.passed, walk.final.path) if walk.final else ()


def _interpreters(entry: Entry, tree: Tree) -> tuple[str, ...]:
    elf = tree.elf(entry)
    if elf is not None:
        return (elf.interpreter,) if elf.interpreter else ()
    return tuple(entry.script.split()[:1])
