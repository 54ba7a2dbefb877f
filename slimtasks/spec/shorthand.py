"""Rewrites the short forms of a spec into the long forms of the model's classes.

Keys that begin with '@' are ours: no file can hold them (Reading refuses them), and no message shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from slimtasks.spec.scenario import runs
from slimtasks.spec.tree import Loc, Mapping, Mistake, Node, Scalar, Sequence, changed_map, find, found, key_name

_RULES: tuple[Loc, ...] = (
    ("keep",),
    ("keep-packages",),
    ("keep-presets",),
    ("drop",),
    ("own",),
    ("final", "variants"),
    ("squash", "remove"),
    ("squash", "purge"),
    ("squash", "only-packages"),
)

_STAND_IN: dict[object, str | int] = {"volumes": "/", "ports": 1}


@dataclass
class Longhand:
    """One spec on its way to its long form, and the mistakes met there."""

    tree: Mapping
    mistakes: list[Mistake] = field(default_factory=list)

    def expand(self) -> Mapping:
        """The whole spec in its long form."""
        self._one_tag()
        for loc in _RULES:
            self._each(loc, _rule)
        self._each(("add",), _with_where)
        self._each(("trace", "also"), _with_where)
        self._whole(("from",), _with_where)
        self._whole(("limits",), _with_places)
        self._whole(("from", "secrets"), lambda node: _named(node, "@id"))
        for run in runs(self.tree):
            self._whole((*run, "ulimits"), _ulimits)
            self._each((*run, "ports"), _port)
            self.volumes((*run, "volumes"))
            self._whole((*run, "depends_on"), _dependencies)
        return self.tree

    def volumes(self, loc: Loc) -> Mapping:
        """The tree with the volumes at `loc` in their long form."""
        self._each(loc, _volume)
        self._each(loc, _with_where)
        return self.tree

    def _one_tag(self) -> None:
        tag = self.tree.items.get("tag")
        if tag is None:
            return
        place = self.tree.keys["tag"]
        if "tags" in self.tree.items:
            self.mistakes.append(Mistake(place, "tag", "found tag beside tags; allowed: one of them"))
        items = {("tags" if key == "tag" else key): value for key, value in self.tree.items.items()}
        items["tags"] = Sequence((tag,), tag.place)
        self.tree = replace(self.tree, items=items, keys={**self.tree.keys, "tags": place})

    def _whole(self, loc: Loc, rewrite: Callable[[Node], Node]) -> None:
        """Rewrites the node at `loc`; in a list, a stand-in for a wrong item lets the others keep their number."""
        node = find(self.tree, loc)
        if node is None:
            return
        new: Node | None
        try:
            new = rewrite(node)
        except ValueError as error:
            self.mistakes.append(Mistake(node.place, key_name(loc), f"found {found(node)}; allowed: {error}"))
            stand_in = _STAND_IN.get(loc[-2])
            new = Mapping({"target": Scalar(stand_in, node.place)}, node.place) if stand_in else None
        self.tree = changed_map(self.tree, loc, new)

    def _each(self, loc: Loc, rewrite: Callable[[Node], Node]) -> None:
        node = find(self.tree, loc)
        for index in range(len(node.items) if isinstance(node, Sequence) else 0):
            self._whole((*loc, index), rewrite)


def _text(text: str | bool, like: Node) -> Scalar:
    return Scalar(text, like.place, str(text))


def _with_where(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    return replace(node, items={**node.items, "@where": _text(str(node.place), node)})


def _with_places(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return node
    places: dict[str, Node] = {key: _text(str(value.place), value) for key, value in node.items.items()}
    return replace(node, items={**node.items, "@places": Mapping(places, node.place)})


def _rule(node: Node) -> Node:
    if not isinstance(node, Scalar):
        return node
    return Mapping({"@text": node, "@where": _text(str(node.place), node)}, node.place)


def _named(node: Node, key: str) -> Node:
    """A mapping by name as a list of mappings that hold their name."""
    if not isinstance(node, Mapping) or not all(isinstance(value, Mapping) for value in node.items.values()):
        raise ValueError("a mapping by name, as in {token: {file: token.txt}} or {token: {environment: TOKEN}}")
    named = []
    for name, value in node.items.items():
        assert isinstance(value, Mapping)
        place = node.keys.get(name, value.place)
        named.append(replace(value, items={key: Scalar(name, place, name), **value.items}))
    return Sequence(tuple(named), node.place)


def _ulimits(node: Node) -> Node:
    if not isinstance(node, Mapping):
        raise ValueError("a mapping, as in {nofile: 1024} or {nofile: {soft: 1024, hard: 2048}}")
    long: dict[str, Node] = {}
    for name, value in node.items.items():
        both = isinstance(value, Scalar)
        long[name] = Mapping({"soft": value, "hard": value}, value.place) if both else value
    return _named(replace(node, items=long), "@name")


def _dependencies(node: Node) -> Node:
    """Names of services, or Compose's mapping of them to conditions, as a list of mappings."""
    if isinstance(node, Sequence) and all(isinstance(item, Scalar) for item in node.items):
        items = (Mapping({"@name": item}, item.place) for item in node.items)
        return replace(node, items=tuple(items))
    try:
        return _named(node, "@name")
    except ValueError:
        allowed = "names of services, as in [db], or conditions, as in {db: {condition: service_healthy}}"
        raise ValueError(allowed) from None


_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9a-fA-F:]+\]|[0-9.]+):)?(?P<published>\d+(?:-\d+)?)?:)?(?P<target>\d+)(?:/(?P<protocol>tcp|udp))?"
)


def _port(node: Node) -> Node:
    if not isinstance(node, Scalar):
        return node
    text = str(node.value) if isinstance(node.value, (str, int)) and not isinstance(node.value, bool) else ""
    match = _PORT.fullmatch(text)
    if not match:
        raise ValueError("a port as '80', '8080:80', '127.0.0.1:8080:80' or '53/udp', one line for each")
    items: dict[str, Node] = {"target": replace(node, value=int(match["target"]))}
    for group, key in (("published", "published"), ("ip", "host_ip"), ("protocol", "protocol")):
        if match[group]:
            items[key] = _text(match[group], node)
    return Mapping(items, node.place)


def _volume(node: Node) -> Node:
    if not isinstance(node, Scalar):
        return node
    parts = node.value.split(":") if isinstance(node.value, str) else []
    if not 1 <= len(parts) <= 3 or not all(parts) or (len(parts) == 3 and parts[2] not in ("ro", "rw")):
        raise ValueError("a volume as './data:/data', './data:/data:ro', 'name:/data' or '/data'")
    if len(parts) == 1:
        return Mapping({"target": node}, node.place)
    items: dict[str, Node] = {
        "source": replace(node, value=parts[0]),
        "target": replace(node, value=parts[1]),
        "type": _text("bind" if parts[0].startswith((".", "/", "~")) else "volume", node),
        "read_only": _text(parts[-1] == "ro", node),
    }
    return Mapping(items, node.place)
