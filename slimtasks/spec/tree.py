"""A spec as it was written: plain values, each with its place in the file.

Everything that reads, merges or rewrites a spec works on this tree, so that a mistake found at any time
still knows its line and column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A position in a file; `file` is relative to the root, line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Scalar:
    """A string, number, boolean or nothing, with the text that stood in the file."""

    value: str | int | float | bool | None
    place: Place
    text: str = ""
    plain: bool = False  # written without quotes
    filled: bool = False  # a ${...} in it has been replaced


@dataclass(frozen=True)
class Sequence:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class Mapping:
    """Keys in the order of the file; `keys` has the place of each."""

    items: dict[str, Node]
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True)
class Mistake:
    """One line of a SpecError."""

    place: Place
    key: str  # 'workload[1].http.port'; empty for the whole file
    problem: str

    def __str__(self) -> str:
        line = f"{self.place}: {self.key}: {self.problem}" if self.key else f"{self.place}: {self.problem}"
        return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


class Unreadable(Exception):
    """The file cannot be made into a tree; has the mistakes that say why."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


def key_name(loc: Loc) -> str:
    """The loc as messages show it: list items count from 1, as steps do; what the loader filled in is left out."""
    name = ""
    for part in loc:
        if isinstance(part, int):
            name += f"[{part + 1}]"
        elif not part.startswith("@"):
            name += f".{part}" if name else part
    return name


def plain(node: Node) -> Any:
    """The tree's values alone."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.items.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def find(node: Node, loc: Loc) -> Node | None:
    """The node at `loc`; None where there is none."""
    child: Node | None = node
    for part in loc:
        if isinstance(child, Mapping):
            child = child.items.get(part) if isinstance(part, str) else None
        elif isinstance(child, Sequence):
            child = child.items[part] if isinstance(part, int) and part < len(child.items) else None
        else:
            return None
    return child


def place_of(node: Node, loc: Loc, *, of_key: bool = False) -> Place:
    """Where the value at `loc` stands, or its key; the nearest ancestor's place where it is not in the file."""
    place = node.place
    for depth in range(len(loc)):
        parent, part = find(node, loc[:depth]), loc[depth]
        child = find(node, loc[: depth + 1])
        if child is None:
            return place
        place = child.place
        if of_key and isinstance(parent, Mapping) and isinstance(part, str):
            place = parent.keys.get(part, place)
    return place


def found(node: Node | None) -> str:
    """What stands there, for a message."""
    if node is None:
        return "nothing"
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, str):
        return f"'{_short(node.value)}'"
    kind = {bool: "a boolean", int: "a number", float: "a number"}[type(node.value)]
    return f"{_short(node.text or str(node.value))} ({kind})"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def mapped(node: Node, change: Callable[[Loc, Scalar], Scalar], loc: Loc = ()) -> Node:
    """The tree with each scalar replaced by what `change` makes of it."""
    if isinstance(node, Mapping):
        return replace(node, items={key: mapped(value, change, (*loc, key)) for key, value in node.items.items()})
    if isinstance(node, Sequence):
        return replace(node, items=tuple(mapped(item, change, (*loc, i)) for i, item in enumerate(node.items)))
    return change(loc, node)


def changed(node: Node, loc: Loc, new: Node | None) -> Node:
    """The tree with the node at `loc` replaced, or without that key where `new` is None."""
    if not loc:
        assert new is not None
        return new
    part, rest = loc[0], loc[1:]
    if isinstance(node, Mapping) and isinstance(part, str) and part in node.items:
        items = dict(node.items)
        if not rest and new is None:
            del items[part]
        else:
            items[part] = changed(items[part], rest, new)
        return replace(node, items=items)
    if isinstance(node, Sequence) and isinstance(part, int):
        listed = list(node.items)
        listed[part : part + 1] = [] if not rest and new is None else [changed(listed[part], rest, new)]
        return replace(node, items=tuple(listed))
    return node


def changed_map(tree: Mapping, loc: Loc, new: Node | None) -> Mapping:
    """`changed` for a whole spec, which stays a mapping."""
    result = changed(tree, loc, new)
    assert isinstance(result, Mapping)
    return result


def merged(over: Mapping, under: Mapping) -> Mapping:
    """Both mappings' keys; where both have one, mappings are merged and anything else is `over`'s."""
    items = dict(over.items)
    for key, value in under.items.items():
        mine = items.get(key)
        if mine is None:
            items[key] = value
        elif isinstance(mine, Mapping) and isinstance(value, Mapping):
            items[key] = merged(mine, value)
    return Mapping(items, over.place, {**under.keys, **over.keys})
