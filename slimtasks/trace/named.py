"""The paths that a spec's structure tests name: the image has to have them, though no program asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slimtasks.records import NAMED
from slimtasks.spec.steps import Step, StructureTest
from slimtasks.trace.uses import Use


def named(steps: Iterable[Step]) -> Iterator[Use]:
    """Each as a look at it, in its step: that keeps the path, and no package for its sake."""
    for step in steps:
        if isinstance(step.action, StructureTest):
            yield from (Use(path, "stat", "", step.number, NAMED) for path in step.action.tests.paths)
