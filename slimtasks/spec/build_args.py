"""Build arguments that take their value from the caller."""

from __future__ import annotations

from dataclasses import replace

from slimtasks.spec.interpolate import Caller
from slimtasks.spec.tree import Mapping, Node, Scalar, Sequence


def with_callers_values(caller: Caller, args: Node) -> Node:
    """The arguments, in either form; one without a value takes the caller's, or is left out where there is none."""
    if isinstance(args, Sequence):
        items = (_listed(caller, item) for item in args.items)
        return replace(args, items=tuple(item for item in items if item is not None))
    if not isinstance(args, Mapping):
        return args
    values: dict[str, Node] = {}
    for name, item in args.items.items():
        if isinstance(item, Scalar) and item.value is None:
            value = caller.get(name)
            if value is None:
                continue
            item = replace(item, value=value)
        values[name] = item
    return replace(args, items=values)


def _listed(caller: Caller, item: Node) -> Node | None:
    """The item as NAME=value; None where neither it nor the caller has a value."""
    if not isinstance(item, Scalar) or not isinstance(item.value, str) or "=" in item.value:
        return item
    value = caller.get(item.value)
    return None if value is None else replace(item, value=f"{item.value}={value}")
