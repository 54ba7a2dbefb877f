"""Reads the steps of `workload` and `checks`, of the image and of its scenarios."""

from __future__ import annotations

from dataclasses import replace

from slimtasks.spec.disk import Disk
from slimtasks.spec.reading import Reading
from slimtasks.spec.rules import exactly_one
from slimtasks.spec.shorthand import Longhand
from slimtasks.spec.steps import ACTIONS, Action, Step
from slimtasks.spec.structure_file import read_structure_test
from slimtasks.spec.suggest import meant
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found
from slimtasks.spec.validate import validated


def read_steps(reading: Reading, tree: Mapping, loc: Loc, scenario: str = "") -> tuple[Step, ...]:
    """The valid steps at `loc`, numbered as in the file; the others add their mistakes."""
    node = find(tree, loc)
    if node is None:
        return ()
    if not isinstance(node, Sequence):
        reading.wrong(node.place, loc, f"found {found(node)}; allowed: a list of steps")
        return ()
    steps = (_step(reading, item, (*loc, index)) for index, item in enumerate(node.items))
    check = loc[-1] == "checks"
    return tuple(replace(step, check=check, scenario=scenario) for step in steps if step is not None)


def _step(reading: Reading, node: Node, loc: Loc) -> Step | None:
    """The step at `loc`, whose last part is its index."""
    kinds = ", ".join(ACTIONS)
    if not isinstance(node, Mapping) or len(node.items) != 1:
        what = f"found {found(node)}" if not isinstance(node, Mapping) else f"found {len(node.items)} keys"
        reading.wrong(node.place, loc, f"{what}; allowed: a mapping with one key of {kinds}")
        return None
    kind, options = next(iter(node.items.items()))
    place = node.keys.get(kind, node.place)
    if kind not in ACTIONS:
        near = meant(kind, ACTIONS)
        hint = f"did you mean {near}? " if near else ""
        reading.wrong(place, (*loc, kind), f"unknown step; {hint}allowed: {kinds}")
        return None
    if kind == "pytest" and isinstance(options, Scalar):
        options = Mapping({"path": options}, options.place)
    if isinstance(options, Mapping):
        options = _prepared(reading, kind, options, (*loc, kind))
    action: Action | None
    if kind == "structure-test":
        action = read_structure_test(reading, options, (*loc, kind))
    else:
        action = validated(options, ACTIONS[kind], (*loc, kind), reading.mistakes)
    return Step(int(loc[-1]) + 1, str(place), kind, action) if action is not None else None


def _prepared(reading: Reading, kind: str, options: Mapping, loc: Loc) -> Mapping:
    """The options in their long form, after the checks that need the disk or more than one key."""
    disk = Disk(reading.sources, reading.mistakes)
    if kind == "wait":
        exactly_one(options, ("port", "log", "healthcheck"), loc, reading.mistakes)
    elif kind == "client" and "pull_policy" in options.items and "image" not in options.items:
        reading.wrong(options.keys["pull_policy"], (*loc, "pull_policy"), "only beside client.image")
    elif kind == "host":
        disk.program(options.items.get("command"), (*loc, "command"))
    elif kind == "oneshot":
        options = Longhand(options, reading.mistakes).volumes(("volumes",))
        options = disk.volumes(options, ("volumes",), loc)
    elif kind == "pytest":
        options = disk.existing(options, ("path",), loc)
    return options
