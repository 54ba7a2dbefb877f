"""What pyproject.toml says of all images: [tool.slimtasks]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from slimtasks.spec.disk import Disk
from slimtasks.spec.image_tree import image_of
from slimtasks.spec.model import SHARED_LAYERS
from slimtasks.spec.reading import Reading
from slimtasks.spec.rules import with_source
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.suggest import meant
from slimtasks.spec.support import fitting
from slimtasks.spec.toml_tree import read_toml
from slimtasks.spec.tree import Mapping, Node, Place, Scalar, Unreadable, changed_map, found, merged

_FILE = "pyproject.toml"
MOST_SHARED = 100  # Docker's graph drivers stop at 127 layers


@dataclass(frozen=True)
class Defaults:
    """Keys that every image takes where it has none of its own, and the repo's own keys `default` and `layers`."""

    tree: Mapping
    default: Node | None = None
    shared_layers: int = SHARED_LAYERS

    def under(self, tree: Mapping, kind: str | None) -> Mapping:
        """The image's tree, with the defaults that fit its kind where it says nothing."""
        under = fitting(self.tree, kind)
        if "tag" in tree.items or "tags" in tree.items:
            under = changed_map(changed_map(under, ("tag",), None), ("tags",), None)
        return merged(tree, under)


def read_defaults(reading: Reading) -> Defaults:
    """The defaults; those that are wrong are left out after adding their mistakes."""
    path = reading.sources.root / _FILE
    empty = Defaults(Mapping({}, Place(_FILE)))
    if not reading.sources.exists(path):
        return empty
    tree = _table(reading, path)
    if tree is None:
        return empty
    tree = reading.filled(tree)
    default = tree.items.get("default")
    shared_layers = _shared_layers(reading, tree)
    for key in ("default", "layers"):
        tree = changed_map(tree, (key,), None)
    before = len(reading.mistakes)
    _check(reading, tree)
    return Defaults(tree if len(reading.mistakes) == before else empty.tree, default, shared_layers)


def _shared_layers(reading: Reading, tree: Mapping) -> int:
    """What `layers = {shared = 6}` says; the usual where it is not there, or after adding its mistakes."""
    node = tree.items.get("layers")
    if node is None:
        return SHARED_LAYERS
    if not isinstance(node, Mapping):
        reading.wrong(node.place, ("layers",), f"found {found(node)}; allowed: {{shared = {SHARED_LAYERS}}}")
        return SHARED_LAYERS
    for key in node.items.keys() - {"shared"}:
        near = "did you mean shared? " if meant(key, ["shared"]) else ""
        reading.wrong(node.keys[key], ("layers", key), f"unknown key; {near}allowed: shared")
    shared = node.items.get("shared")
    value = shared.value if isinstance(shared, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SHARED:
        return value
    if shared is not None:
        problem = f"found {found(shared)}; allowed: a whole number from 0 to {MOST_SHARED}"
        reading.wrong(shared.place, ("layers", "shared"), problem)
    return SHARED_LAYERS


def _table(reading: Reading, path: Path) -> Mapping | None:
    """[tool.slimtasks] with its places in pyproject.toml; None where there is none."""
    text = reading.text(path)
    if text is None or "slimtasks" not in text:
        return None
    try:
        whole = read_toml(text, _FILE, only=("tool", "slimtasks"))
    except Unreadable as error:
        reading.mistakes.extend(error.mistakes)
        return None
    if not isinstance(whole, Mapping):
        reading.wrong(whole.place, ("tool", "slimtasks"), f"found {found(whole)}; allowed: a table")
        return None
    return whole


def _check(reading: Reading, tree: Mapping) -> None:
    """Adds the mistakes of the defaults themselves, which stand there even where no image takes them."""
    expanding = Longhand(tree, reading.mistakes)
    tree = Disk(reading.sources, reading.mistakes).resolve(expanding.expand(), reading.sources.root)
    image_of(reading, with_source(tree))  # `from` is needed of an image, not of the defaults
