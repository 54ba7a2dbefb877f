"""Compose's ways to write one value, as those that a spec knows.

https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from slimtasks.spec.borrowed import text
from slimtasks.spec.port_range import port_range
from slimtasks.spec.tree import Mapping, Node, Scalar, Sequence, find

_NO_MATTER = frozenset(("z", "Z", "rw", "cached", "consistent", "delegated"))  # options of a volume


def each(node: Node, rewrite: Callable[[Node], Iterable[Node]]) -> Node:
    """The list with all that each of its items stands for."""
    if not isinstance(node, Sequence):
        return node
    return replace(node, items=tuple(new for item in node.items for new in rewrite(item)))


def less(node: Node, keys: Collection[str]) -> Node:
    """The mapping without these keys."""
    if not isinstance(node, Mapping):
        return node
    return replace(node, items={key: value for key, value in node.items.items() if key not in keys})


def ports(item: Node) -> Iterable[Node]:
    """One port for each of a range; of the long form what says which port it is."""
    if isinstance(item, Mapping):
        target, published = item.items.get("target"), item.items.get("published")
        kept = less(item, ("mode", "name", "app_protocol"))
        assert isinstance(kept, Mapping)
        changed = {"target": _as_number(target), "published": _as_text(published)}
        return [replace(kept, items={**kept.items, **{key: node for key, node in changed.items() if node}})]
    head, colon, last = str(item.value if isinstance(item, Scalar) else "").rpartition(":")
    inner, slash, protocol = last.partition("/")
    address, colons, outer = head.rpartition(":")
    numbers, published_ones = port_range(inner), port_range(outer)
    if not numbers:
        return [item]
    if outer and len(published_ones) != len(numbers):
        return [item]
    paired = zip(numbers, map(str, published_ones) if published_ones else [""] * len(numbers), strict=True)
    return [text(f"{address}{colons}{shown}{colon}{number}{slash}{protocol}", item.place) for number, shown in paired]


def exposed(item: Node) -> Iterable[Node]:
    """One port for each of a range."""
    inner, slash, protocol = str(item.value if isinstance(item, Scalar) else "").partition("/")
    return [text(f"{number}{slash}{protocol}", item.place) for number in port_range(inner)] or [item]


def _as_number(node: Node | None) -> Node | None:
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.isdecimal():
        return replace(node, value=int(node.value))
    return node


def _as_text(node: Node | None) -> Node | None:
    return replace(node, value=str(node.value)) if isinstance(node, Scalar) and isinstance(node.value, int) else node


def device(item: Node) -> Iterable[Node]:
    """The short form of a device."""
    if not isinstance(item, Mapping):
        return [item]
    parts = (item.items.get(key) for key in ("source", "target", "permissions"))
    return [text(":".join(str(part.value) for part in parts if isinstance(part, Scalar)), item.place)]


def hosts(node: Node) -> Node:
    """Lines 'name:address', of a mapping or of lines 'name=address'."""
    if isinstance(node, Sequence):
        return replace(node, items=tuple(map(_host, node.items)))
    if not isinstance(node, Mapping):
        return node
    lines: list[Node] = []
    for name, value in node.items.items():
        several = value.items if isinstance(value, Sequence) else (value,)
        lines += [text(f"{name}:{one.value}", one.place) for one in several if isinstance(one, Scalar)]
    return Sequence(tuple(lines), node.place)


def _host(item: Node) -> Node:
    name, equals, address = str(item.value if isinstance(item, Scalar) else "").partition("=")
    return text(f"{name}:{address}", item.place) if equals else item


def dependencies(node: Node, *, needs_ready: bool) -> Node | None:
    """The services and their conditions; `needs_ready`: less those that only have to be started."""
    if isinstance(node, Sequence):
        return None if needs_ready else node
    if not isinstance(node, Mapping):
        return node
    kept = {name: less(one, ("restart", "required")) for name, one in node.items.items()}
    if needs_ready:
        kept = {name: one for name, one in kept.items() if _condition(one) not in ("", "service_started")}
    return replace(node, items=kept) if kept else None


def _condition(node: Node) -> str:
    condition = find(node, ("condition",))
    return str(condition.value) if isinstance(condition, Scalar) else ""


def volume(item: Node) -> Node:
    """The short form without the options that do not matter here; of the long form what a spec has of it."""
    if isinstance(item, Mapping):
        return less(item, ("consistency", "bind", "volume", "tmpfs"))
    *parts, options = str(item.value if isinstance(item, Scalar) else "").split(":")
    if len(parts) != 2:
        return item
    left = [option for option in options.split(",") if option not in _NO_MATTER]
    return text(":".join([*parts, *([",".join(left)] if left else [])]), item.place)


def memory(item: Node) -> Node | None:
    """A long form of type tmpfs with a size or mode, as a line of `tmpfs`; None for any other volume."""
    kind, target, options = (find(item, (key,)) for key in ("type", "target", "tmpfs"))
    if not isinstance(kind, Scalar) or kind.value != "tmpfs" or not isinstance(target, Scalar):
        return None
    said = options.items if isinstance(options, Mapping) else {}
    words = [f"{key}={_option(key, node)}" for key, node in said.items() if isinstance(node, Scalar)]
    return text(f"{target.value}:{','.join(words)}", item.place) if words else None


def _option(key: str, node: Scalar) -> str:
    return f"{node.value:o}" if key == "mode" and isinstance(node.value, int) else str(node.value)
