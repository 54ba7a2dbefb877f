"""Says which lines make an image pass, or why none do, and writes them into its spec."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from slimtasks.errors import SlimError
from slimtasks.job import Job
from slimtasks.records import Selected, read_lines
from slimtasks.repair.grouping import Part, parts_of
from slimtasks.repair.lines import Lost, as_spec
from slimtasks.repair.search import Found, Outcome, search
from slimtasks.repair.trial import Tried
from slimtasks.repair.writing import add_lines
from slimtasks.scratch import once_more
from slimtasks.selection.image import FatImage
from slimtasks.selection.spec_lines import spec_line
from slimtasks.sizes import count, size_text
from slimtasks.stages.select import inputs_of


@dataclass(frozen=True)
class Repair:
    """What came of it, in words."""

    told: str
    passes: bool  # verify does, without any change
    written: bool = False


def repair(job: Job, *, write: bool) -> Repair:
    """Tries the image that is built, then others; SlimError where no lines help."""
    with once_more(job) as again:
        trials = Tried(job, again)
        found = search(trials, _grouping(job))
        if not found.first.step:
            return Repair("verify passes: nothing to repair", True)
        if not found.lines or any(line.is_drop for line in found.lines):
            raise _helpless(found, job)
        growth = trials.size(found.lines) - trials.size(())
    for line in _words(found, job):
        job.note(line)
    lines, tried = count(len(found.lines), "rule"), _tried(found, growth)
    if not write:
        return Repair(f"{lines} ({tried}): `doit repair --write {job.image.name}` adds {_them(found)}", False)
    add_lines(job, found.lines)
    return Repair(f"{lines} added to {_spec(job)} ({tried})", False, written=True)


def _grouping(job: Job) -> Callable[[Iterable[Lost]], Sequence[Part]]:
    image = FatImage(inputs_of(job))
    kept = {choice.source or choice.path for choice in read_lines(job.files.selection, Selected)[1]}
    return lambda lost: parts_of(lost, image, kept)


def _words(found: Found, job: Job) -> Iterator[str]:
    """What fails, and the lines with which it does not."""
    yield from found.first.error.splitlines()
    yield f"{_passes(found)} with"
    yield from (f"  {line}" for line in as_spec(found.lines, toml=_is_toml(job)))
    if found.last.step:
        yield f"but then {found.last.step} fails"
        yield from (f"  {line}" for line in _whole(found.last).splitlines())


def _helpless(found: Found, job: Job) -> SlimError:
    """What stands in the way."""
    if not found.lines:
        more = "\n  it lacks more, but with that it fails as well" if found.rounds else ""
        return SlimError(_whole(found.last) + more, found.last.hint)
    toml = _is_toml(job)
    drops = [line for line in found.lines if line.is_drop]
    words = [found.first.error, f"  {_passes(found)} without"]
    words += [f"    {line.where}: {spec_line('drop', line.text, toml=toml)}" for line in drops]
    if len(drops) < len(found.lines):
        words += ["  and with", *(f"    {line}" for line in as_spec(found.lines, toml=toml))]
    if found.last.step:
        words += [f"  but then {found.last.step} fails", *(f"    {line}" for line in _whole(found.last).splitlines())]
    return SlimError("\n".join(words), "a drop rule is yours to change: remove it, or let it match less")


def _passes(found: Found) -> str:
    return f"{found.first.step} passes" if found.last.step else "it passes"


def _whole(outcome: Outcome) -> str:
    return "\n".join(filter(None, (outcome.error, outcome.cause and f"  {outcome.cause}")))


def _tried(found: Found, growth: int) -> str:
    """How it was found, and what it costs."""
    least = "not all tried without" if found.untried else "none can be left out"
    return f"{size_text(growth)} more, {count(found.rounds, 'round')}, {least}"


def _them(found: Found) -> str:
    return "them" if len(found.lines) > 1 else "it"


def _spec(job: Job) -> str:
    return os.path.relpath(job.image.file, job.workspace.root)


def _is_toml(job: Job) -> bool:
    return job.image.file.suffix == ".toml"
