"""Reads the services of a spec, and puts them into the order in which they start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from slimtasks.spec.depends import cycle
from slimtasks.spec.reading import Reading
from slimtasks.spec.scenario import overridden, runs
from slimtasks.spec.service import Service
from slimtasks.spec.suggest import meant
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found, place_of
from slimtasks.spec.validate import validated

_NAME = re.compile(r"[a-zA-Z0-9]+(?:[._-]+[a-zA-Z0-9]+)*")


def read_services(reading: Reading, tree: Mapping, under: Mapping | None = None) -> tuple[Service, ...]:
    """The valid services, each behind those that it depends on; the others add their mistakes.

    One that is also in `under`, where all are valid, is started as that says, but for what it says itself.
    """
    names = names_at(reading, tree, "services", "services by name, as in {db: {image: postgres}}")
    below = under.items if under else {}
    found_services = {name: service for name in names if (service := _service(reading, tree, name, below.get(name)))}
    for run in runs(tree):
        _check_dependencies(reading, tree, run, names)
    graph = {name: [other.name for other in service.depends_on] for name, service in found_services.items()}
    circle = cycle(graph)
    if circle:
        loc: Loc = ("services", circle[0], "depends_on")
        problem = f"found the circle {' -> '.join(circle)}; allowed: no service that needs itself"
        reading.wrong(place_of(tree, loc), loc, problem)
        return ()
    return tuple(found_services[name] for name in _ordered(graph))


def names_at(reading: Reading, tree: Mapping, key: str, allowed: str) -> tuple[str, ...]:
    """The keys of the mapping that stands at `key`, if one does; one that is empty, or no mapping, is a mistake."""
    node = tree.items.get(key)
    if isinstance(node, Mapping) and node.items:
        return tuple(node.items)
    if node is not None:
        what = "an empty mapping" if isinstance(node, Mapping) else found(node)
        reading.wrong(node.place, (key,), f"found {what}; allowed: {allowed}")
    return ()


def check_name(reading: Reading, tree: Mapping, loc: Loc) -> None:
    """Adds a mistake where the last part of `loc`, a name that the user chose, cannot be one."""
    if not _NAME.fullmatch(str(loc[-1])):
        allowed = "a-z, A-Z, 0-9, and '.', '_', '-' between them"
        reading.wrong(place_of(tree, loc, of_key=True), loc[:-1], f"found the name '{loc[-1]}'; allowed: {allowed}")


def _service(reading: Reading, tree: Mapping, name: str, under: Node | None) -> Service | None:
    loc: Loc = ("services", name)
    check_name(reading, tree, loc)
    node = find(tree, loc)
    assert node is not None
    service = validated(node, Service, loc, reading.mistakes)
    if service is None:
        return None
    if under is not None and isinstance(node, Mapping):
        whole = validated(under, Service, loc, reading.mistakes)
        service = overridden(whole, service, node.items.keys()) if whole else service
    return replace(service, name=name, where=str(place_of(tree, loc, of_key=True)))


def _check_dependencies(reading: Reading, tree: Mapping, run: Loc, names: tuple[str, ...]) -> None:
    node = find(tree, (*run, "depends_on"))
    for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
        name = item.items.get("@name") if isinstance(item, Mapping) else None
        if isinstance(name, Scalar) and name.value not in names:
            near = meant(str(name.value), names)
            hint = f"did you mean {near}? " if near else ""
            loc = (*run, "depends_on", index)
            allowed = ", ".join(names) or "nothing, as `services` has none"
            reading.wrong(item.place, loc[:-1], f"found '{name.value}'; {hint}allowed: {allowed}")


def _ordered(graph: dict[str, list[str]]) -> Iterator[str]:
    """The names, each behind those that it needs, else as they are given; the graph has no circle."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        for other in graph.get(name, ()):
            visit(other)
        if name in graph:
            done.setdefault(name)

    for name in graph:
        visit(name)
    return iter(done)
