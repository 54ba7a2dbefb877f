"""Several traces as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from slimtasks.records import Access, Program

R = TypeVar("R", Access, Program)


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


def _one(records: list[R]) -> R:
    """All that any of them has; what is no list is the first one's."""
    first, *others = records
    if not others:
        return first
    lists = (field.name for field in fields(first) if isinstance(getattr(first, field.name), tuple))
    whole: dict[str, Any] = {name: tuple(sorted({x for r in records for x in getattr(r, name)})) for name in lists}
    return replace(first, **whole)
