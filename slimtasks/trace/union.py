"""Several traces as one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import reduce
from operator import getitem
from typing import Any, TypeVar

from slimtasks.records import Access, Program
from slimtasks.rootfs import Tree
from slimtasks.trace.file import Trace
from slimtasks.trace.summary import reached

R = TypeVar("R", Access, Program)
_TOLD = ("architecture", "attached", "backend", "complete", "fat", "kernel")  # of another trace's header


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
        accesses += (_from_elsewhere(_later(access, before), name, tree) for access in other.accesses)
        programs += other.programs
    return Trace(_filled(header), merged(accesses), merged_programs(programs))


def of_scenarios(traces: Mapping[str, Trace]) -> Trace:
    """The trace of an image out of those of its scenarios by their names, '' for the one that has none.

    Steps count on from one scenario to the next and have its name in front, as has what not all of them have missed.
    """
    if list(traces) == [""]:
        return traces[""]
    headers = {name: trace.header for name, trace in traces.items()}
    first = next(iter(headers.values()))
    steps: list[str] = []
    accesses: list[Access] = []
    for name, trace in traces.items():
        accesses += (_later(access, len(steps)) for access in trace.accesses)
        steps += (_of(name, step) for step in trace.header["steps"])
    header = {
        "architecture": first["architecture"],
        "backend": {key: _each(headers, "backend", key) for key in ("opens", "lookups", "why")},
        "complete": all(header["complete"] for header in headers.values()),
        "fat": first["fat"],
        "incomplete": _missed(headers, "incomplete"),
        "inputs": {name: digest for header in headers.values() for name, digest in header["inputs"].items()},
        "kernel": _each(headers, "kernel"),
        "scenarios": [{"name": name, "key": header["key"]} for name, header in headers.items()],
        "steps": steps,
        "unseen": _missed(headers, "unseen"),
    }
    programs = (program for trace in traces.values() for program in trace.programs)
    return Trace(_filled(header), merged(accesses), merged_programs(programs))


def steps_of(scenario: str, scenarios: Iterable[str], steps: Iterable[str]) -> frozenset[int]:
    """The numbers of the steps of one of the scenarios; for the one without a name, all that are no other's."""
    own, named = f"{scenario}: ", tuple(f"{name}: " for name in scenarios if name)
    mine = (step.startswith(own) if scenario else not step.startswith(named) for step in steps)
    return frozenset(number for number, is_mine in enumerate(mine) if is_mine)


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


def _of(scenario: str, text: str) -> str:
    return f"{scenario}: {text}" if scenario else text


def _each(headers: Mapping[str, Mapping[str, Any]], *keys: str) -> str:
    """What stands in each header; where they differ, all of it."""
    return ", ".join(dict.fromkeys(str(reduce(getitem, keys, header)) for header in headers.values()))


def _missed(headers: Mapping[str, Mapping[str, Any]], key: str) -> list[str]:
    told = {name: header.get(key, ()) for name, header in headers.items()}
    every = [text for text in next(iter(told.values())) if all(text in texts for texts in told.values())]
    return [*every, *(_of(name, text) for name, texts in told.items() for text in texts if text not in every)]


def _filled(header: Mapping[str, Any]) -> dict[str, Any]:
    """The header without lists that are empty."""
    return {key: value for key, value in header.items() if value or key not in ("also", "incomplete", "unseen")}


def _later(access: Access, before: int) -> Access:
    """With that many steps before its own."""
    return replace(access, steps=tuple(step + before for step in access.steps))


def _from_elsewhere(access: Access, name: str, tree: Tree) -> Access:
    return replace(
        access,
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
