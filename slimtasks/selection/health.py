"""What the HEALTHCHECK of an image means for its files: what stays for it alone, and what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from slimtasks.records import ImagePath
from slimtasks.rootfs import normalise
from slimtasks.selection.image import FatImage
from slimtasks.selection.inputs import Inputs, Selection
from slimtasks.selection.lookups import Missing, missing
from slimtasks.selection.recipe import select
from slimtasks.selection.whole import beyond


def for_steps_alone(steps: frozenset[int], inputs: Inputs, chosen: Selection) -> int:
    """The bytes, metadata aside, that stay only for what the run used in these steps and in no other."""
    others = tuple(access for access in inputs.accesses if not access.steps or not steps.issuperset(access.steps))
    if len(others) == len(inputs.accesses):
        return 0
    without = select(replace(inputs, accesses=others))
    paths = frozenset(choice.source or choice.path for choice in without.selected)
    return beyond(chosen.selected, paths, FatImage(inputs))


def lacking_for(command: Sequence[str], inputs: Inputs, chosen: Selection, *, toml: bool) -> tuple[Missing, ...]:
    """What of the program that the command starts the fat image has and the slim one will not have.

    `toml`: the spec is one.
    """
    image = FatImage(inputs)
    brought = {*image.added, *(entry.path for entry in inputs.base)}
    places = _places(command[0], image)
    program = next((place for place in places if place in brought or _is_file(place, image)), None)
    if program is None or program in brought:
        return ()
    staying = {*brought, *(choice.source or choice.path for choice in chosen.selected)}
    return missing([program], image.tree, staying, inputs.drop, toml=toml)


def _places(program: str, image: FatImage) -> tuple[ImagePath, ...]:
    if "/" not in program:
        return image.command_places(program)
    return (normalise(program if program.startswith("/") else f"{image.working_directory}/{program}"),)


def _is_file(path: ImagePath, image: FatImage) -> bool:
    final = image.tree.walk(path).final
    return final is not None and final.type == "file"
