"""trace.jsonl: a header, then one line for each path and way of using it, then one for each program."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.errors import Damaged
from slimtasks.records import Access, Fat, Program, from_json, intact, write_lines
from slimtasks.trace.recording import Backend, Recording

VERSION = 2


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
    return (*missing, *header.get("unseen", ()))


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
