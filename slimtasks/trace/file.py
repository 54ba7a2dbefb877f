"""trace.jsonl: a header, then one line for each path and way of using it, then one for each program."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slimtasks.errors import Damaged
from slimtasks.records import Access, Program, from_json, intact, write_lines

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
