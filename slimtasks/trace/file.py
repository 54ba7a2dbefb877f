"""trace.jsonl: a header, then one line for each path and way of using it, then one for each program."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from slimtasks.errors import Damaged
from slimtasks.records import Access, Fat, Program, from_json, intact, write_lines
from slimtasks.spec.steps import within
from slimtasks.trace.recording import Backend, Recording
from slimtasks.workload.report import STARTS_NOTHING

VERSION = 2
HEALTH = "healthcheck"  # the step that is the HEALTHCHECK
# '2 http GET', 'SCENARIO: 2 http GET'
_STEP = re.compile(r"(?:.*?: )??\d+ (?P<kind>[\w-]+)(?: (?P<title>.*))?", re.DOTALL)
_WHO = re.compile(r"(?:\S+ )?(?:--?version|-V|version|--?help|-h|help)")  # 'git --version', and nothing besides
_STARTED, _ASKED = "THE START OF THE CONTAINER WAS", "A QUESTION FOR VERSION OR HELP WAS"  # of one without a workload


@dataclass(frozen=True)
class Trace:
    """What a traced run used."""

    header: dict[str, Any]
    accesses: Iterable[Access]  # as often as wanted, but for one that was just put together
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
    only = {name: _ASKED if asked else _STARTED for name, asked in _idle(header).items()}
    starts = (within(name, f"NO WORKLOAD: ONLY {what} TRACED") for name, what in only.items())
    return (*starts, *missing, *header.get("unseen", ()))


def idle(header: dict[str, Any]) -> tuple[str, ...]:
    """The scenarios, by name, that had no workload, or one that only waits or asks for version or help.

    '' is the one without a name. None where a trace from elsewhere adds what another workload did.
    """
    return tuple(_idle(header))


def _idle(header: dict[str, Any]) -> dict[str, bool]:
    """Each with whether it was asked for version or help."""
    busy: dict[str, bool] = {}
    asked: dict[str, bool] = {}
    name = ""
    for step in header.get("steps", ()):
        match = _STEP.fullmatch(step)
        start = match is None and step.endswith("start")
        if start:
            name = step.removesuffix("start").removesuffix(": ")
        asks = match is not None and _asks_who(match)
        busy[name] = busy.get(name, False) or not (start or _is_health(step) or asks or _asks_nothing(match, step))
        asked[name] = asked.get(name, False) or asks
    files = tuple(f"{also['file']}: " for also in header.get("also", ()))
    others = {name for name in busy if f"{name}: ".startswith(files)}
    return {} if any(busy[name] for name in others) else {n: asked[n] for n in busy if not busy[n] and n not in others}


def _asks_who(match: re.Match[str]) -> bool:
    """Whether the step runs a command of which it wants no more than its version or help."""
    return match["kind"] in ("oneshot", "exec") and _WHO.fullmatch(match["title"] or "") is not None


def _asks_nothing(match: re.Match[str] | None, step: str) -> bool:
    """Whether the step of a header lets the image do nothing."""
    return match is not None and (match["kind"] == "wait" or step.endswith(STARTS_NOTHING))


def is_server(trace: Trace) -> bool:
    """Whether a program of it opened a port or a socket, for others to ask something."""
    binds = (bind for program in trace.programs for bind in program.binds)
    return any(bind.startswith(("tcp ", "udp ", "unix ")) for bind in binds)


def health_steps(header: dict[str, Any]) -> frozenset[int]:
    """The numbers of the steps in which a HEALTHCHECK was run, and nothing else on purpose."""
    return frozenset(number for number, step in enumerate(header.get("steps", ())) if _is_health(step))


def _is_health(step: str) -> bool:
    match = _STEP.fullmatch(step)
    if match is None:
        return step == HEALTH or step.endswith(f": {HEALTH}")
    return match["kind"] == "wait" and step.endswith(f" wait {HEALTH}")


def write_trace(path: Path, trace: Trace) -> None:
    """Writes the file; the same trace gives the same bytes."""
    write_lines(path, {**trace.header, "version": VERSION}, chain(trace.accesses, trace.programs))


def read_trace(path: Path) -> Trace:
    """Reads what `write_trace` wrote; raises Damaged. The accesses stay in the file, and are read when asked for."""
    with intact(path), path.open("rb") as file:
        header, programs, read = json.loads(file.readline()), [], 0
        for line in file:
            data = json.loads(line)
            if "program" in data:
                programs.append(from_json(Program, data))
            read += 1
        if read != header["lines"]:
            raise Damaged(path, f"it ends after {read} of {header['lines']} lines")
        return Trace(header, _Accesses(path), tuple(programs))


@dataclass(frozen=True)
class _Accesses:
    """Those in a file; a trace may have a million."""

    path: Path

    def __iter__(self) -> Iterator[Access]:
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                with intact(self.path):
                    data = json.loads(line)
                    access = _access(data) if "path" in data else None
                if access is not None:
                    yield access


def _access(data: dict[str, Any]) -> Access:
    """The record. What most accesses have in common is one object for all of them."""
    shared: dict[str, Any] = {name: _shared(tuple(data[name])) for name in ("by", "steps", "sources") if name in data}
    return from_json(Access, {**data, **shared, "how": _shared(data["how"])})


@lru_cache(maxsize=1024)
def _shared(value: Any) -> Any:
    return value
