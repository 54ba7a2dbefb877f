"""What somebody may have meant who named a path or a package that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from slimtasks.records import ImagePath, bare_name
from slimtasks.rootfs import Tree, globbed, normalise, parent

_BRACES = re.compile(r"\{[^{}]*,[^{}]*\}")
_NEAR = 3  # paths of a kind


def near_package(name: str, packages: Iterable[str]) -> str:
    """Which of the packages is called most like that, as the end of a message; '' where none is."""
    close = get_close_matches(bare_name(name), sorted(map(bare_name, packages)), 1)
    return f"; the nearest is {close[0]}" if close else ""


def near_path(pattern: str, tree: Tree) -> str:
    """Which path a rule that matches none may mean, as the end of a message."""
    if _BRACES.search(pattern):
        return "; braces stand for themselves: write a rule for each of their words"
    if globbed(pattern):
        return _nearest_glob(pattern, tree)
    found = near_paths(pattern, tree)
    if found:
        return f"; the nearest is {found[0]}"
    directory, absent = _as_far_as_there(normalise(pattern), tree)
    return f"; {directory} is there, {absent} is not"


def near_paths(path: str, tree: Tree) -> tuple[ImagePath, ...]:
    """What a path that is not there may mean, likeliest first: names like its own, and its own in other places."""
    directory, absent = _as_far_as_there(normalise(path), tree)
    children = tree.children(tree.walk(directory).resolved)
    names = {child.rpartition("/")[2]: child for child in children}
    close = [names[name] for name in get_close_matches(absent.rpartition("/")[2], list(names), _NEAR, 0.5)]
    last = "/" + normalise(path).rpartition("/")[2]
    elsewhere = list(islice((other for other in tree.paths if other.endswith(last)), _NEAR))
    both = [*close, *elsewhere] if absent == normalise(path) else [*elsewhere, *close]
    return tuple(dict.fromkeys(both))


def _as_far_as_there(path: ImagePath, tree: Tree) -> tuple[ImagePath, ImagePath]:
    """The lowest directory on the way to the path that is there, and what is not there in it."""
    directory = parent(path)
    while tree.lookup(tree.walk(directory).resolved) is None:
        path, directory = directory, parent(directory)
    return directory, path


def _nearest_glob(pattern: str, tree: Tree) -> str:
    head: list[str] = []
    for part in normalise(pattern).split("/")[1:]:
        if globbed(part):
            break
        head.append(part)
    directory = normalise("/".join(head))
    final = tree.walk(directory).final
    if final is None:
        return near_path(directory, tree)
    children = tree.children(final.path)
    some = ", ".join(child.rpartition("/")[2] for child in children[:3]) + (", ..." if len(children) > 3 else "")
    return f"; {directory} has {some}" if children else f"; {directory} is empty"
