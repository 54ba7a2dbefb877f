"""Turns a spec in its long form into an image: its keys, its steps, its scenarios."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from slimtasks.spec.borrowed import Borrowed
from slimtasks.spec.model import Image
from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.scenario import Scenario, overridden
from slimtasks.spec.services import check_name, names_at, read_services
from slimtasks.spec.steps import Step
from slimtasks.spec.steps_file import read_steps
from slimtasks.spec.tree import Loc, Mapping, Node, changed_map, find, place_of
from slimtasks.spec.validate import validated


def image_of(reading: Reading, tree: Mapping, borrowed: Borrowed | None = None) -> Image | None:
    """What the tree says; None after adding its mistakes. Those of all steps and scenarios are added, too.

    `run` and services are started as is borrowed, but for what they say themselves.
    """
    rest = tree
    for key in ("workload", "checks", "scenarios", "services"):
        rest = changed_map(rest, (key,), None)
    image = validated(rest, Image, (), reading.mistakes)
    if image and borrowed:
        image = replace(image, run=overridden(borrowed.run, image.run, _keys(tree.items.get("run"))))
    workload, checks = (read_steps(reading, tree, (key,)) for key in ("workload", "checks"))
    if borrowed:
        workload = _numbered((*borrowed.before, *workload, *borrowed.after))
    scenarios = _scenarios(reading, tree, image.run if image else Run())
    services = read_services(reading, tree, borrowed.services if borrowed else None)
    return image and replace(image, workload=workload, checks=checks, scenarios=scenarios, services=services)


def _numbered(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(replace(step, number=number) for number, step in enumerate(steps, 1))


def _scenarios(reading: Reading, tree: Mapping, run: Run) -> tuple[Scenario, ...]:
    """The valid scenarios, in the order of the file, each started as `run` says but for what it says itself.

    The others add their mistakes.
    """
    names = names_at(reading, tree, "scenarios", "scenarios by name, as in {web: {workload: [http: {port: 80}]}}")
    read = (_scenario(reading, tree, name, run) for name in names)
    return tuple(scenario for scenario in read if scenario is not None)


def _scenario(reading: Reading, tree: Mapping, name: str, run: Run) -> Scenario | None:
    loc: Loc = ("scenarios", name)
    check_name(reading, tree, loc)
    platform = find(tree, (*loc, "run", "platform"))
    if platform is not None:
        place = place_of(tree, (*loc, "run", "platform"), of_key=True)
        reading.wrong(place, (*loc, "run", "platform"), "an image has one platform; allowed: run.platform, for all")
    workload, checks = (read_steps(reading, tree, (*loc, key), name) for key in ("workload", "checks"))
    rest: Node | None = find(tree, loc)
    said: Collection[str] = ()
    assert rest is not None
    if isinstance(rest, Mapping):
        rest = changed_map(changed_map(rest, ("workload",), None), ("checks",), None)
        said = _keys(rest.items.get("run"))
    scenario = validated(rest, Scenario, loc, reading.mistakes)
    if scenario is None:
        return None
    whole = overridden(run, scenario.run, said)
    return replace(scenario, name=name, run=whole, workload=workload, checks=checks)


def _keys(node: Node | None) -> Collection[str]:
    return node.items.keys() if isinstance(node, Mapping) else ()
