"""Turns a spec in its long form into an image: its keys, its steps, its scenarios."""

from __future__ import annotations

import re
from dataclasses import replace

from slimtasks.spec.model import Image
from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.scenario import Scenario, overridden
from slimtasks.spec.steps_file import read_steps
from slimtasks.spec.tree import Loc, Mapping, Node, changed_map, find, found, place_of
from slimtasks.spec.validate import validated

_NAME = re.compile(r"[a-zA-Z0-9]+(?:[._-]+[a-zA-Z0-9]+)*")


def image_of(reading: Reading, tree: Mapping) -> Image | None:
    """What the tree says; None after adding its mistakes. Those of all steps and scenarios are added, too."""
    rest = tree
    for key in ("workload", "checks", "scenarios"):
        rest = changed_map(rest, (key,), None)
    image = validated(rest, Image, (), reading.mistakes)
    workload, checks = (read_steps(reading, tree, (key,)) for key in ("workload", "checks"))
    scenarios = _scenarios(reading, tree, image.run if image else Run())
    return image and replace(image, workload=workload, checks=checks, scenarios=scenarios)


def _scenarios(reading: Reading, tree: Mapping, run: Run) -> tuple[Scenario, ...]:
    """The valid scenarios, in the order of the file, each started as `run` says but for what it says itself.

    The others add their mistakes.
    """
    node = tree.items.get("scenarios")
    if node is None:
        return ()
    if not isinstance(node, Mapping) or not node.items:
        what = "an empty mapping" if isinstance(node, Mapping) else found(node)
        allowed = "scenarios by name, as in {web: {workload: [http: {port: 80}]}}"
        reading.wrong(node.place, ("scenarios",), f"found {what}; allowed: {allowed}")
        return ()
    read = (_scenario(reading, tree, name, run) for name in node.items)
    return tuple(scenario for scenario in read if scenario is not None)


def _scenario(reading: Reading, tree: Mapping, name: str, run: Run) -> Scenario | None:
    loc: Loc = ("scenarios", name)
    if not _NAME.fullmatch(name):
        allowed = "a-z, A-Z, 0-9, and '.', '_', '-' between them"
        reading.wrong(place_of(tree, loc, of_key=True), ("scenarios",), f"found the name '{name}'; allowed: {allowed}")
    platform = find(tree, (*loc, "run", "platform"))
    if platform is not None:
        place = place_of(tree, (*loc, "run", "platform"), of_key=True)
        reading.wrong(place, (*loc, "run", "platform"), "an image has one platform; allowed: run.platform, for all")
    workload, checks = (read_steps(reading, tree, (*loc, key), name) for key in ("workload", "checks"))
    rest: Node | None = find(tree, loc)
    said: tuple[str, ...] = ()
    assert rest is not None
    if isinstance(rest, Mapping):
        rest = changed_map(changed_map(rest, ("workload",), None), ("checks",), None)
        own = rest.items.get("run")
        said = tuple(own.items) if isinstance(own, Mapping) else ()
    scenario = validated(rest, Scenario, loc, reading.mistakes)
    if scenario is None:
        return None
    whole = overridden(run, scenario.run, said)
    return replace(scenario, name=name, run=whole, workload=workload, checks=checks)
