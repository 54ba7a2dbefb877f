"""What the file of another tool says of an image and of how it is started, as a spec would say it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from pathlib import Path

from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.steps import Step
from slimtasks.spec.suggest import meant
from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Place, Scalar, find


@dataclass(frozen=True)
class Borrowed:
    """Taken for what the spec itself does not say. Nodes are in their long form, host paths in them are absolute."""

    source: Mapping  # for `from`
    run: Run
    services: Mapping  # by name
    keys: Table[str, str]  # what a key of `from` is called in the file
    built: frozenset[str] = frozenset()  # services that have no image unless another one of this repo is theirs
    before: tuple[Step, ...] = ()  # those of the workload
    after: tuple[Step, ...] = ()


Reader = Callable[[Reading, Path, Scalar, Node | None], Borrowed | None]
"""Reads what a name stands for in a file, given the spec's own `run`; None after adding mistakes, each at its place."""


def laid_under(tree: Mapping, borrowed: Borrowed) -> Mapping:
    """The spec with what is borrowed for `from` and `services`; one that it names itself gets the image alone."""
    items = {**tree.items, "from": borrowed.source}
    own = tree.items.get("services")
    if isinstance(own, Mapping):
        named = {name: _with_image(node, borrowed.services.items.get(name)) for name, node in own.items.items()}
        keys = {**borrowed.services.keys, **own.keys}
        items["services"] = Mapping({**borrowed.services.items, **named}, own.place, keys)
    elif own is None and borrowed.services.items:
        items["services"] = borrowed.services
    return replace(tree, items=items)


def _with_image(node: Node, under: Node | None) -> Node:
    image = find(under, ("image",)) if under else None
    if image is None or not isinstance(node, Mapping) or "image" in node.items:
        return node
    return replace(node, items={**node.items, "image": image})


def as_written(mistake: Mistake, file: str, keys: Table[str, str]) -> Mistake:
    """The mistake with the key that stands in the file, where it is told for one of `from`."""
    parts = mistake.key.split(".")
    name = ".".join(parts[:2])
    outer = keys.get(re.sub(r"\[\d+\]$", "", name))
    if mistake.place.file != file or outer is None:
        return mistake
    return replace(mistake, key=".".join((outer + name.removeprefix(name.partition("[")[0]), *parts[2:])))


def taken_over(
    reading: Reading,
    node: Mapping,
    loc: Loc,
    taken: Collection[str],
    ignored: Collection[str],
    refused: Table[str, str],
) -> dict[str, Node]:
    """What the mapping has of the keys that are `taken`; one that is unknown or `refused` (with why) is a mistake."""
    items = {}
    for key, value in node.items.items():
        place = node.keys.get(key, value.place)
        said = value.value not in (None, False, "") if isinstance(value, Scalar) else bool(value.items)
        if key in taken and not (isinstance(value, Scalar) and value.value is None):
            items[key] = value
        elif key in refused and said:
            reading.wrong(place, (*loc, key), f"not taken over, as {refused[key]}")
        elif key not in taken and key not in refused and key not in ignored and not key.startswith("x-"):
            unknown_key(reading, place, (*loc, key), taken)
    return items


def unknown_key(reading: Reading, place: Place, loc: Loc, allowed: Collection[str]) -> None:
    """Adds the mistake that the last part of `loc` is no key there."""
    near = meant(str(loc[-1]), allowed)
    hint = f"did you mean {near}? " if near else ""
    reading.wrong(place, loc, f"unknown key; {hint}allowed: {', '.join(allowed)}")


def unknown_name(reading: Reading, node: Node, loc: Loc, name: str, allowed: Collection[str]) -> None:
    """Adds the mistake that nothing is called `name`."""
    near = meant(name, allowed)
    hint = f"did you mean {near}? " if near else ""
    known = ", ".join(allowed) or "nothing, as none is there"
    reading.wrong(node.place, loc, f"found '{name}'; {hint}allowed: {known}")


def text(value: str, place: Place) -> Scalar:
    """A string that stands for something of the file."""
    return Scalar(value, place, value)


def never_pulled(node: Node | None, never: str) -> dict[str, Node]:
    """The `pull_policy` of a spec where the file's is `never`; nothing where it says how often to ask a registry."""
    said = isinstance(node, Scalar) and node.value == never
    return {"pull_policy": text("never", node.place)} if node and said else {}


def as_text(pairs: Node) -> Node:
    """Variables by name, of which true and false are meant as text."""
    if not isinstance(pairs, Mapping):
        return pairs
    return replace(pairs, items={name: _word(item) for name, item in pairs.items.items()})


def _word(node: Node) -> Node:
    truth = isinstance(node, Scalar) and isinstance(node.value, bool)
    return replace(node, value=node.text) if truth and isinstance(node, Scalar) else node
