"""trace.jsonl: a header, then one line for each path and way of using it, then one for each program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.errors import Damaged
from slimtasks.records import Access, Fat, Program, from_json, intact, write_lines
from slimtasks.spec.steps import within
from slimtasks.trace.recording import Backend, Recording

VERSION = 2
_STEP = re.compile(r"(?:.*?: )??\d+ (?P<kind>[\w-]+)(?: .*)?", re.DOTALL)  # '2 http GET', 'SCENARIO: 2 http GET'


@dataclass(frozen=True)
class Trace:
    """What a traced run used."""

    header: dict[str, Any]
    accesses: tuple[Access, ...]
    programs: tuple[Program, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever uses the trace has to know, a line each."""
        return notes(self.header)


def header_of(recording: Recording, backend: Backend, fat: Fat, kernel: str, steps: Iterable[str]) -> dict[str, Any]:
    """What a trace of that image tells of itself, first of all what it may have missed."""
    header: dict[str, Any] = {
        "architecture": fat.config.get("architecture"),
        "backend": {"opens": backend.opens, "lookups": backend.lookups, "why": backend.why},
        "complete": not recording.incomplete,
        "fat": fat.tree_digest,
        "kernel": kernel,
        "steps": list(steps),
    }
    lacking = {"incomplete": list(recording.incomplete), "unseen": list(backend.unseen)}
    return header | {name: texts for name, texts in lacking.items() if texts}


def notes(header: dict[str, Any]) -> tuple[str, ...]:
    """The same, of the header alone."""
    missing = (f"THE TRACE IS NOT COMPLETE: {reason}" for reason in header.get("incomplete", ()))
    starts = (within(name, "NO WORKLOAD: ONLY THE START OF THE CONTAINER WAS TRACED") for name in idle(header))
    return (*starts, *missing, *header.get("unseen", ()))


def idle(header: dict[str, Any]) -> tuple[str, ...]:
    """The scenarios, by name, that had no workload, or one that did nothing but wait; '' is the one without a name.

    None where a trace from elsewhere adds what another workload did.
    """
    busy: dict[str, bool] = {}
    name = ""
    for step in header.get("steps", ()):
        match = _STEP.fullmatch(step)
        start = match is None and step.endswith("start")
        if start:
            name = step.removesuffix("start").removesuffix(": ")
        busy[name] = busy.get(name, False) or not (start or (match is not None and match["kind"] == "wait"))
    files = tuple(f"{also['file']}: " for also in header.get("also", ()))
    others = {name for name in busy if f"{name}: ".startswith(files)}
    return () if any(busy[name] for name in others) else tuple(n for n in busy if not busy[n] and n not in others)


def write_trace(path: Path, trace: Trace) -> None:
    """Writes the file; the same trace gives the same bytes."""
    write_lines(path, {**trace.header, "version": VERSION}, (*trace.accesses, *trace.programs))


def read_trace(path: Path) -> Trace:
    """Reads what `write_trace` wrote; raises Damaged."""
    with intact(path), path.open("rb") as file:
        header, *lines = map(json.loads, file)
        if len(lines) != header["lines"]:
            raise Damaged(path, f"it ends after {len(lines)} of {header['lines']} lines")
        return Trace(header, _those(Access, "path", lines), _those(Program, "program", lines))


def _those(kind: Any, key: str, lines: Iterable[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(from_json(kind, line) for line in lines if key in line)
