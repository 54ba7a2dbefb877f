"""Several traces as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from slimtasks.records import Access, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.file import Trace
from slimtasks.trace.summary import reached

R = TypeVar("R", Access, Program)
_TOLD = ("architecture", "backend", "complete", "fat", "kernel")  # of another trace's header


def together(own: Trace, others: Iterable[tuple[str, Trace]], tree: Tree) -> Trace:
    """The own trace with what others, each by its name, add to it, for the image with that tree.

    Steps and sources of the others are told apart: steps count on from the own ones, sources have the name in front.
    """
    header = {"complete": True, **own.header, "also": []}
    accesses, programs = [*own.accesses], [*own.programs]
    for name, other in others:
        told = {key: other.header[key] for key in _TOLD if key in other.header}
        header["also"] = [*header["also"], {"file": name, **told}]
        header["complete"] = header["complete"] and other.header["complete"]
        before = len(header["steps"])
        for key in ("steps", "incomplete", "unseen"):
            header[key] = [*header.get(key, ()), *(f"{name}: {text}" for text in other.header.get(key, ()))]
        accesses += (_from_elsewhere(access, name, before, tree) for access in other.accesses)
        programs += other.programs
    header = {key: value for key, value in header.items() if value or key not in ("also", "incomplete", "unseen")}
    return Trace(header, merged(accesses), merged_programs(programs))


def merged(accesses: Iterable[Access]) -> tuple[Access, ...]:
    """One for each path and way, sorted by them."""
    found: dict[tuple[str, str], list[Access]] = defaultdict(list)
    for access in accesses:
        found[access.path, access.how].append(access)
    return tuple(_one(found[key]) for key in sorted(found))


def merged_programs(programs: Iterable[Program]) -> tuple[Program, ...]:
    """One for each program, sorted by path."""
    found: dict[str, list[Program]] = defaultdict(list)
    for program in programs:
        found[program.program].append(program)
    return tuple(_one(found[path]) for path in sorted(found))


def _from_elsewhere(access: Access, name: str, before: int, tree: Tree) -> Access:
    return replace(
        access,
        steps=tuple(step + before for step in access.steps),
        sources=tuple(f"{name}:{source}" for source in access.sources or ("unknown",)),
        reached=reached(access.path, access.how, tree),
    )


def _one(records: list[R]) -> R:
    """All that any of them has; what is no list is the first one's."""
    first, *others = records
    if not others:
        return first
    lists = (field.name for field in fields(first) if isinstance(getattr(first, field.name), tuple))
    whole: dict[str, Any] = {name: tuple(sorted({x for r in records for x in getattr(r, name)})) for name in lists}
    return replace(first, **whole)
