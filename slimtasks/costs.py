"""What a stage cost: its seconds, and how many of them others took (build/<n>/costs.json; in nobody's input)."""

from __future__ import annotations

import time

from slimtasks.engine.stopwatch import ENGINE, PROGRAMS, WORKLOAD, Stopwatch
from slimtasks.errors import Damaged
from slimtasks.records import intact, read_json, write_json
from slimtasks.workspace import ImageFiles

_OTHERS = (ENGINE, WORKLOAD, PROGRAMS)


class Meter:
    """Runs from when it is made."""

    def __init__(self, clock: Stopwatch) -> None:
        self._clock = clock
        self._others = clock.spent
        self._began, self._cpu = time.monotonic(), time.process_time()

    def read(self) -> dict[str, float]:
        """`seconds` in all, those spent waiting for the engine, the workload and programs, and `cpu` of our own."""
        spent = self._clock.spent
        found = {what: spent.get(what, 0.0) - self._others.get(what, 0.0) for what in _OTHERS}
        found |= {"seconds": time.monotonic() - self._began, "cpu": time.process_time() - self._cpu}
        return {what: round(seconds, 3) for what, seconds in found.items()}


def note(files: ImageFiles, stage: str, cost: dict[str, float]) -> None:
    """Writes down a stage's last run."""
    write_json(files.costs, {**_read(files), stage: cost})


def seconds(files: ImageFiles) -> dict[str, float]:
    """The seconds of each stage's last run."""
    return {stage: cost["seconds"] for stage, cost in _read(files).items()}


def _read(files: ImageFiles) -> dict[str, dict[str, float]]:
    try:
        with intact(files.costs):
            return {stage: dict(cost) for stage, cost in read_json(files.costs).items()} if files.costs.exists() else {}
    except Damaged:
        return {}
