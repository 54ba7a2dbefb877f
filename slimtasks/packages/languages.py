"""Which paths belong to a language's tree: its runtime's own, and the distributions installed for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from slimtasks.records import ImagePath
from slimtasks.rootfs import is_below

_LIBRARY = r"/(?:.*/)?lib(?:32|64|exec)?(?:/[^/]+-linux-[^/]+)?"
_TREES = (
    ("Python", rf"{_LIBRARY}/(?:python3/dist-packages|python\d+(?:\.\d+)?|pypy[\d.]+)(?=/)"),
    ("Node.js", r"/(?:.*?/)?node_modules(?=/)|/usr/(?:share|lib(?:/[^/]+-linux-[^/]+)?)/nodejs(?=/)"),
    ("Ruby", rf"{_LIBRARY}/ruby(?=/)|/var/lib/gems(?=/)|/usr/share/rubygems-integration(?=/)"),
    ("Ruby", r"/(?:.*/)?vendor/bundle/ruby(?=/)"),
    ("Perl", rf"{_LIBRARY}/perl(?:5|-base)?(?=/)|/(?:usr|usr/local)/share/perl(?:5)?(?=/)|/etc/perl(?=/)"),
    ("Java", r"/usr/lib(?:64)?/jvm/[^/]+(?=/)|/opt/(?:java/[^/]+|(?:jdk|jre)[^/]*)(?=/)"),
    ("Java", r"/usr/share/(?:java|maven-repo)(?=/)"),
)
_TREE = re.compile("|".join(f"(?P<l{number}>{regex})" for number, (_, regex) in enumerate(_TREES)))


@dataclass(frozen=True)
class LanguageTree:
    """A language's directory, and a file in it that was used."""

    language: str
    root: ImagePath
    used: ImagePath


def tree_of(path: str) -> tuple[str, ImagePath] | None:
    """The language whose tree has the path, and that tree's root; None for what belongs to none."""
    match = _TREE.match(path)
    if match is None or match.lastgroup is None:
        return None
    return _TREES[int(match.lastgroup[1:])][0], ImagePath(match.group())


def used_trees(opened: Iterable[ImagePath]) -> tuple[LanguageTree, ...]:
    """The language trees that any of these paths is in, sorted, one line each; the topmost of nested ones."""
    found: dict[ImagePath, LanguageTree] = {}
    for path in sorted(opened):
        place = tree_of(path)
        if place is not None:
            found.setdefault(place[1], LanguageTree(place[0], place[1], path))
    return tuple(
        tree
        for root, tree in sorted(found.items())
        if not any(is_below(root, other) for other in found if other != root)
    )
