"""In what two traces of one image differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from slimtasks.answers.sides import TraceSide
from slimtasks.records import Access, Program
from slimtasks.trace.lock import Locked

_OF_HEADER = ("fat", "architecture", "kernel", "backend", "complete", "incomplete", "steps")
_OF_ACCESS = ("by", "steps", "sources", "asked", "reached")
_OF_LOCK = ("type", "package", "version", "digest")


@dataclass(frozen=True)
class Moved:
    """What one field of a record loses and gains."""

    field: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]


@dataclass(frozen=True)
class UseOf:
    """A path and a way of using it that only one of them has."""

    how: str
    path: str
    by: tuple[str, ...]
    steps: tuple[str, ...]  # in the trace's own words


@dataclass(frozen=True)
class ChangedUse:
    """One that both have, by others, in other steps or to another end."""

    how: str
    path: str
    fields: tuple[Moved, ...]


@dataclass(frozen=True)
class ChangedProgram:
    """What a program did besides using paths."""

    program: str
    fields: tuple[Moved, ...]


@dataclass(frozen=True)
class TraceDifference:
    """From `before` to `after`."""

    before: str
    after: str
    uses_before: int
    uses_after: int
    header: tuple[Moved, ...]
    added: tuple[UseOf, ...]
    removed: tuple[UseOf, ...]
    changed: tuple[ChangedUse, ...]
    programs: tuple[ChangedProgram, ...]

    @property
    def same(self) -> bool:
        return not (self.header or self.added or self.removed or self.changed or self.programs)


def trace_difference(before: TraceSide, after: TraceSide) -> TraceDifference:
    """What a lock tells of the image counts only where both are locks."""
    old = {(access.path, access.how): access for access in before.accesses}
    new = {(access.path, access.how): access for access in after.accesses}
    locks = all(any(access.type for access in side.accesses) for side in (before, after))
    changed = (
        ChangedUse(how, path, moved)
        for (path, how), access in new.items()
        if (path, how) in old and (moved := tuple(_moved(old[path, how], access, before, after, locks)))
    )
    return TraceDifference(
        before=before.name,
        after=after.name,
        uses_before=len(old),
        uses_after=len(new),
        header=tuple(_header(before, after)),
        added=tuple(_use(access, after) for key, access in new.items() if key not in old),
        removed=tuple(_use(access, before) for key, access in old.items() if key not in new),
        changed=tuple(changed),
        programs=tuple(_programs(before.programs, after.programs)),
    )


def _moved(old: Locked, new: Locked, before: TraceSide, after: TraceSide, locks: bool) -> Iterator[Moved]:
    for name in (*_OF_ACCESS, *(_OF_LOCK if locks else ())):
        yield from _if_moved(name, _values(old, name, before), _values(new, name, after))


def _values(access: Access, name: str, side: TraceSide) -> tuple[str, ...]:
    if name == "steps":
        return _steps(access, side)
    value = getattr(access, name)
    return value if isinstance(value, tuple) else (value,) if value else ()


def _steps(access: Access, side: TraceSide) -> tuple[str, ...]:
    return tuple(str(side.header["steps"][step]) for step in access.steps)


def _use(access: Locked, side: TraceSide) -> UseOf:
    return UseOf(access.how, access.path, access.by, _steps(access, side))


def _header(before: TraceSide, after: TraceSide) -> Iterator[Moved]:
    for name in _OF_HEADER:
        yield from _if_moved(name, _texts(before.header.get(name)), _texts(after.header.get(name)))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value))
    if isinstance(value, dict):
        return tuple(f"{key}: {text}" for key, text in sorted(value.items()))
    return () if value is None else (str(value),)


def _programs(before: Sequence[Program], after: Sequence[Program]) -> Iterator[ChangedProgram]:
    old = {program.program: program for program in before}
    new = {program.program: program for program in after}
    for name in sorted({*old, *new}):
        one, two = old.get(name, Program(name)), new.get(name, Program(name))
        lists = (field.name for field in fields(Program) if field.name != "program")
        moved = (part for field in lists for part in _if_moved(field, getattr(one, field), getattr(two, field)))
        found = tuple(moved)
        if found:
            yield ChangedProgram(name, found)


def _if_moved(name: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Moved]:
    lost = tuple(value for value in old if value not in new)
    gained = tuple(value for value in new if value not in old)
    if lost or gained:
        yield Moved(name, lost, gained)
