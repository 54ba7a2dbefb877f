"""Which paths belong to a language's tree: its runtime's own, and the places of what is installed for it."""

from __future__ import annotations

import re
from functools import lru_cache

from slimtasks.records import ImagePath

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


def tree_of(path: str) -> tuple[str, ImagePath] | None:
    """The language whose tree has the path, and that tree's root; None for what belongs to none."""
    return _tree_of(path[: path.rfind("/") + 1])


@lru_cache(maxsize=1024)
def _tree_of(directory: str) -> tuple[str, ImagePath] | None:
    match = _TREE.match(directory)
    if match is None or match.lastgroup is None:
        return None
    return _TREES[int(match.lastgroup[1:])][0], ImagePath(match.group())
