"""Finds the smallest set of lines with which an image passes, by trying."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slimtasks.repair.grouping import Part
from slimtasks.repair.lines import Line, Lost
from slimtasks.repair.minimal import minimal, narrowed

MOST_ROUNDS = 20
MOST_TRIALS = 30  # to leave lines out; what was not tried by then stays


@dataclass(frozen=True)
class Outcome:
    """How verify goes with some lines."""

    step: str = ""  # that fails; empty where all passes
    error: str = ""  # what it says
    cause: str = ""  # what traced runs tell of it
    hint: str = ""
    lost: tuple[Lost, ...] = ()


class Trials(Protocol):
    """Tries an image with lines that its spec does not have."""

    def tried(self, lines: Collection[Line]) -> str:
        """The step that fails with them; empty where all passes."""

    def explained(self, lines: Collection[Line]) -> Outcome:
        """The same, with the cause."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    first: Outcome  # without any line
    last: Outcome  # with all that could be found; passes, or says what stands in the way
    lines: tuple[Line, ...] = ()  # with fewer it would fail sooner than `last`
    rounds: int = 0  # after each of which more was lacking
    untried: bool = False  # whether one may be left out is not known of all


def search(trials: Trials, parts_of: Callable[[Iterable[Lost]], Sequence[Part]]) -> Found:
    """Adds what is lacking until all passes or nothing new is lacking, then leaves out what is not needed."""
    first = last = trials.explained(())
    lost: dict[Lost, None] = {}
    rounds: dict[frozenset[Line], str] = {frozenset(): first.step}
    while last.step and len(rounds) <= MOST_ROUNDS:
        before = len(lost)
        lost.update(dict.fromkeys(last.lost))
        if len(lost) == before:
            break
        lines = frozenset(line for _, line in lost)
        last = trials.explained(lines)
        rounds[lines] = last.step
    if last.step == first.step:  # what is lacking is not why it fails
        return Found(first, last, (), len(rounds) - 1)
    sought = _Sought(trials, last.step, rounds)
    return Found(first, last, _smallest(sought, lost, parts_of), len(rounds) - 1, sought.untried)


class _Sought:
    """Whether lines get as far as all of them do; what none of the rounds told is tried, at most MOST_TRIALS times."""

    def __init__(self, trials: Trials, step: str, rounds: Mapping[frozenset[Line], str]) -> None:
        self._trials, self._step, self._left = trials, step, MOST_TRIALS
        self._steps = dict(rounds)
        self.untried = False

    def reached(self, lines: Iterable[Line]) -> bool:
        """False for what gets less than lines that do not, since more files do no harm, and for what is not tried."""
        wanted = frozenset(lines)
        if any(wanted < known and not self._is_far(step) for known, step in self._steps.items()):
            return False
        if wanted not in self._steps and not self._left:
            self.untried = True
            return False
        return self.confirmed(wanted)

    def confirmed(self, lines: Iterable[Line]) -> bool:
        """Tried in any case."""
        wanted = frozenset(lines)
        if wanted not in self._steps:
            self._left = max(0, self._left - 1)
            self._steps[wanted] = self._trials.tried(wanted)
        return self._is_far(self._steps[wanted])

    def _is_far(self, step: str) -> bool:
        return step in ("", self._step)


def _smallest(
    sought: _Sought, lost: Iterable[Lost], parts_of: Callable[[Iterable[Lost]], Sequence[Part]]
) -> tuple[Line, ...]:
    """Rules of the user's are taken back last."""
    all_lines = tuple(dict.fromkeys(line for _, line in lost))
    drops = (Part(line, (), 0) for line in all_lines if line.is_drop)
    parts = (*parts_of(one for one in lost if not one[1].is_drop), *drops)
    needed = minimal(parts, lambda some: sought.reached(part.line for part in some))
    lines = _narrowed(needed, sought, parts_of)
    if sought.confirmed(lines):
        return lines
    sought.untried = True  # it does not go the same way each time
    return tuple(sorted(all_lines))


def _narrowed(
    parts: Sequence[Part], sought: _Sought, parts_of: Callable[[Iterable[Lost]], Sequence[Part]]
) -> tuple[Line, ...]:
    """Lines for no more of each part than is needed."""
    lines: dict[Line, tuple[Line, ...]] = {part.line: (part.line,) for part in parts}
    for part in parts:
        others = [line for other, several in lines.items() if other != part.line for line in several]

        def does(lost: Sequence[Lost], others: Sequence[Line] = others) -> bool:
            return sought.reached((*others, *(one.line for one in parts_of(lost))))

        grouped = any(line != part.line for _, line in part.lost)
        if grouped and (less := narrowed(part.lost, does)) != part.lost:
            lines[part.line] = tuple(one.line for one in parts_of(less))
    return tuple(sorted(line for several in lines.values() for line in several))
