"""What was traced, put together from the tracer's frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from slimtasks.errors import IncompleteTrace
from slimtasks.records import Access, ImagePath
from slimtasks.trace import frames
from slimtasks.trace.frames import Frame
from slimtasks.trace.gate import is_ours
from slimtasks.trace.strace import Parser

FANOTIFY = "fanotify"
_HOW = {"x": "exec", "o": "open", "l": "list"}


@dataclass(frozen=True)
class Recording:
    """All that the traced containers used, from every source."""

    accesses: tuple[Access, ...]  # unique, sorted by path, how, source
    containers: int
    commands: int  # that passed a gate: first processes and execs
    events: int  # of fanotify, repetitions included
    lines: int  # of strace, repetitions included
    marks: str  # 'filesystem', 'mounts' or both: what fanotify watched


@dataclass
class TracedContainer:
    """One traced container, as far as the tracer has told."""

    number: int
    released: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)  # in their gates, so that nothing of them ran
    done: bool = False
    problems: set[str] = field(default_factory=set)
    opened: set[Access] = field(default_factory=set)
    parser: Parser = field(default_factory=Parser)
    events: int = 0
    lines: int = 0
    marks: str = ""

    def take(self, frame: Frame) -> None:
        """Adds what a frame says."""
        if frame.type == frames.LINE:
            self.parser.feed(frame.text)
        elif frame.type == frames.OPENED:
            path = frame.text[1:]
            if not is_ours(path):
                self.opened.add(Access(ImagePath(path), _HOW[frame.text[:1]], FANOTIFY))
        elif frame.type == frames.RELEASED:
            self.released.add(int(frame.text))
        elif frame.type == frames.KILLED:
            self.killed.add(int(frame.text))
        elif frame.type == frames.INCOMPLETE:
            self.problems.add(frame.text)
        elif frame.type == frames.DONE:
            self._end(frame.text)

    def _end(self, text: str) -> None:
        events, _, lines, self.marks = text.split()
        self.events, self.lines = int(events), int(lines)
        self.parser.close()
        self.problems |= self.parser.problems
        if self.parser.new_mount_namespaces and self.marks == "mounts":
            self.problems.add("a process made a mount namespace of its own, in which opened files were not watched")
        self.done = True


def union(targets: Iterable[TracedContainer]) -> Recording:
    """The whole recording; raises IncompleteTrace, with every reason, where anything may be missing."""
    targets = tuple(targets)
    problems = sorted({problem for target in targets for problem in target.problems})
    if not all(target.done for target in targets):
        problems.append("the tracer ended before the containers did")
    if problems:
        raise incomplete(problems)
    accesses = {access for target in targets for access in (*target.opened, *target.parser.accesses)}
    return Recording(
        accesses=tuple(sorted(accesses, key=lambda access: (access.path, access.how, access.source))),
        containers=len(targets),
        commands=sum(len(target.released) for target in targets),
        events=sum(target.events for target in targets),
        lines=sum(target.lines for target in targets),
        marks=", ".join(sorted({target.marks for target in targets})),
    )


def incomplete(problems: Iterable[str]) -> IncompleteTrace:
    """The error that names what may be missing."""
    reasons = list(problems)
    shown = reasons[:5] + [f"and {len(reasons) - 5} more reasons"] * (len(reasons) > 5)
    return IncompleteTrace(
        "the trace may have missed something: " + "; ".join(shown),
        "run it again; if it happens again, the message above names what could not be followed",
    )
